/** The simulated cluster: machines with real nodes, over one time and one network, and no real time or chance in it. */
import { seededRandom } from '../../clock.ts';
import { ClusterView } from '../../cluster/cluster-view.ts';
import { slotOf } from '../../cluster/slots.ts';
import type { Topology } from '../../cluster/topology.ts';
import { defaultNodeSettings, type NodeSettings } from '../../config.ts';
import { slotOwnersOf } from '../../node/current-view.ts';
import type { SlotOwners } from '../../replica/slot-owners.ts';
import { FakeClock } from '../fake-clock.ts';
import { MemoryNetwork } from '../memory-network.ts';
import type { ClusterShape } from '../plan/plan.ts';
import { Machine } from './machine.ts';

/** A run begins so far from the seed's other random numbers. */
const NETWORK_STREAM = 0x6e65_7477;
const KIB = 1024;

export class SimulatedCluster {
  readonly seed: number;
  readonly time = new FakeClock();
  readonly network: MemoryNetwork;
  readonly machines: readonly Machine[];
  /** The wall clock's time at the beginning. */
  readonly startMs = this.time.nowMs();
  /** How far the nodes' own times may be from the right time: a writer's and a reader's together. */
  readonly driftMs: number;
  readonly #owners: SlotOwners;
  /** Each pair of machines, in both directions. */
  readonly ways: readonly (readonly [from: string, to: string])[];

  constructor(shape: ClusterShape, seed: number, say: (machine: string, what: string) => void) {
    this.seed = seed;
    this.network = new MemoryNetwork(this.time, seededRandom(seed ^ NETWORK_STREAM));
    const topology = topologyOf(shape);
    this.#owners = slotOwnersOf(new ClusterView(topology, 1));
    const settings = settingsOf(shape);
    this.driftMs = 2 * settings.maxClockDriftMs;
    const surroundings = { time: this.time, network: this.network, topology, settings, seed, say };
    this.machines = topology.nodes.map((_, index) => new Machine(index, surroundings));
    const ids = topology.nodes.map(({ id }) => id);
    this.ways = ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const));
  }

  start(): void {
    for (const machine of this.machines) machine.start();
  }

  /** As an operator does: a node that says that it takes no writes until it is restarted is. False: there is none. */
  restartFailed(): boolean {
    return this.machines.filter((machine) => machine.restartFailed()).length > 0;
  }

  /** Has the owners of keys compare what they hold: a node that serves tells the others. */
  repair(keys: Iterable<string>): void {
    const asked = this.machines.find(({ process, serving }) => serving !== null && !process!.clock.isFrozen);
    if (asked === undefined) return;
    const { repairs } = asked.serving!.services;
    for (const slot of new Set([...keys].map((key) => slotOf(Buffer.from(key))))) repairs.repair(slot, slot);
  }

  /** Up to which timestamp any machine has said that the slots of these keys are settled. */
  settledAt(keys: Iterable<string>): ReadonlyMap<string, number> {
    const marks = this.machines.flatMap(({ watermarks }) => watermarks);
    return new Map(
      [...keys].map((key) => {
        const slot = slotOf(Buffer.from(key));
        return [key, Math.max(0, ...marks.map((mark) => mark[slot]))];
      }),
    );
  }

  /** Whether what had been acknowledged was taken from a disk. */
  get hasLost(): boolean {
    return this.machines.some(({ lossesMs }) => lossesMs.length > 0);
  }

  /**
   * As an operator does with a folder that is damaged beyond use: empties those of machines whose node does not start, or
   * cannot tell what it has. False: there is none.
   */
  emptyDamaged(cannotTell: ReadonlySet<string>): boolean {
    const damaged = this.machines.filter(
      ({ id, lossesMs, serving }) => lossesMs.length > 0 && (serving === null || cannotTell.has(id)),
    );
    for (const machine of damaged) {
      machine.kill();
      machine.emptyFolder();
      machine.start();
    }
    return damaged.length > 0;
  }

  /** Where a machine is in the preference list of a key. */
  readonly positionOf = (machineId: string, key: string): number => {
    const { count, nodeIds } = this.#owners;
    const position = this.#owners.positionOf(slotOf(Buffer.from(key)), nodeIds.indexOf(machineId));
    return position < 0 ? count : position;
  };
}

function topologyOf({ nodes, placement, zones }: ClusterShape): Topology {
  return {
    cluster: 'simulated',
    placement,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      id: `n${index + 1}`,
      http: { host: '127.0.0.1', port: 0 },
      rpc: { host: `n${index + 1}`, port: 1 },
      zone: `zone${index % zones}`,
      weight: 1,
    })),
  };
}

/** So small that some hundred requests reach the bounds. */
function settingsOf(shape: ClusterShape): NodeSettings {
  const { antiEntropyIntervalMs, maxClockDriftMs, memtableBytes, replication, requestTimeoutMs } = shape;
  return {
    ...defaultNodeSettings(),
    replication,
    requestTimeoutMs,
    maxClockDriftMs,
    maxValueBytes: 8 * KIB,
    memtableBytes,
    blockCacheBytes: 64 * KIB,
    readers: 1,
    antiEntropyIntervalMs,
  };
}
