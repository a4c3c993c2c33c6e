/**
 * The table of faults: what each does to the world when it begins and when it ends. A fault that finds nothing to meet,
 * as a kill of a node that is down, does nothing.
 */
import type { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../clock.ts';
import { FaultKind, type PlannedFault } from '../plan/plan.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Machine } from './machine.ts';

/** Ends a fault. */
export type EndFault = () => void;
/** @returns null: there was nothing to meet */
type BeginFault = (cluster: SimulatedCluster, machine: Machine, fault: PlannedFault) => EndFault | null;

/** Clocks are off by up to so much, below and above what is allowed. */
const MAX_CLOCK_STEP_MS = 3_000;
const MAX_DRIFT_PPM = 100_000;
const MAX_DELAY_MS = 400;
/** How often somebody looks whether a node says that something is missing from it. */
const LOOK_MS = 50;
const FAILURES = ['EIO', 'ENOSPC', 'EMFILE', 'EROFS'];
const SURVIVALS = ['torn', 'torn', 'lost', 'kept'] as const;

const nothing: EndFault = () => undefined;

export const FAULTS: Readonly<Record<FaultKind, BeginFault>> = {
  [FaultKind.clockStep]: (_, { clock }, { degree }) => {
    clock.set((degree * 2 - 1) * MAX_CLOCK_STEP_MS, 0);
    return () => clock.set(0, 0);
  },
  [FaultKind.clockDrift]: (_, { clock }, { degree }) => {
    clock.set(clock.offsetMs, (degree * 2 - 1) * MAX_DRIFT_PPM);
    return () => clock.set(0, 0);
  },
  [FaultKind.partition]: (cluster, machine, { degree }) => {
    const inside = sideOf(cluster, machine, degree);
    return block(cluster, (from, to) => inside.has(from) !== inside.has(to));
  },
  [FaultKind.oneWayPartition]: (cluster, machine, { degree }) => {
    const inside = sideOf(cluster, machine, degree);
    return block(cluster, (from, to) => inside.has(from) && !inside.has(to));
  },
  [FaultKind.connectionsCut]: ({ network }, { id }) => {
    network.cut((from, to) => from === id || to === id);
    return nothing;
  },
  [FaultKind.lateBytes]: ({ network }, { id }, { durationMs }) => {
    network.cutLate(id, durationMs);
    return nothing;
  },
  [FaultKind.slowLink]: (cluster, machine, { degree }) => {
    const { links } = cluster.network;
    const rate = 1 + degree * 60;
    for (const [from, to] of waysOf(cluster, machine)) links.setRate(from, to, rate);
    return () => {
      for (const [from, to] of waysOf(cluster, machine)) links.setRate(from, to, Number.POSITIVE_INFINITY);
    };
  },
  [FaultKind.longDelay]: (cluster, machine, { degree }) => {
    const { links } = cluster.network;
    for (const [from, to] of waysOf(cluster, machine)) links.setDelay(from, to, degree * MAX_DELAY_MS);
    return () => {
      for (const [from, to] of waysOf(cluster, machine)) links.setDelay(from, to, 0);
    };
  },
  [FaultKind.fullBuffers]: ({ network }, _, { degree }) => {
    const usual = network.bufferBytes;
    network.bufferBytes = Math.ceil(1 + degree * 600);
    return () => {
      network.bufferBytes = usual;
    };
  },
  [FaultKind.kill]: (_, machine) => {
    if (machine.process === null) return null;
    machine.isWanted = false;
    machine.kill();
    return () => machine.start();
  },
  [FaultKind.powerLoss]: (_, machine, { degree }) => {
    if (machine.isOff) return null;
    machine.losePower(SURVIVALS[Math.floor(degree * SURVIVALS.length)]);
    return () => machine.start();
  },
  [FaultKind.freeze]: (_, machine) => {
    if (machine.process === null || machine.process.clock.isFrozen) return null;
    machine.freeze();
    return () => machine.thaw();
  },
  [FaultKind.restart]: (_, machine) => {
    if (machine.serving === null || machine.process?.clock.isFrozen === true) return null;
    void machine.drain();
    return () => machine.start();
  },
  [FaultKind.diskFull]: (_, machine) => {
    machine.disk.leftBytes = 0;
    machine.applyRoom();
    return () => {
      machine.disk.leftBytes = Number.POSITIVE_INFINITY;
      machine.applyRoom();
    };
  },
  [FaultKind.failingCalls]: ({ seed }, machine, { degree, id }) => {
    const { disk } = machine;
    disk.fail(
      FAILURES[Math.floor(degree * FAILURES.length)],
      0.02 + degree * 0.3,
      seededRandom(seed * 512 + id),
    );
    return () => {
      disk.mend();
      if (id % 2 === 0) machine.restartFailed();
    };
  },
  // A node whose sync has failed takes no writes until somebody restarts it, however well its disk is by then.
  [FaultKind.failedSync]: (_, machine) => {
    machine.disk.areSyncsFailing = true;
    return () => {
      machine.disk.areSyncsFailing = false;
      machine.restartFailed();
    };
  },
  [FaultKind.slowDisk]: (_, { disk }, { degree }) => {
    disk.delayMs = 1 + degree * 300;
    return () => {
      disk.delayMs = 0;
    };
  },
  [FaultKind.corruption]: ({ seed }, machine, { id }) =>
    whileDown(machine, () => machine.corrupt(seededRandom(seed * 512 + id))),
  [FaultKind.emptiedFolder]: (_, machine) => whileDown(machine, () => machine.emptyFolder()),
  [FaultKind.declaredWhole]: ({ time }, machine) => {
    whileDown(machine, () => machine.emptyFolder());
    machine.start();
    const looks = time.every(LOOK_MS, () => {
      if (machine.state !== 'incomplete') return;
      looks.cancel();
      void machine.declareWhole();
    });
    return () => looks.cancel();
  },
  [FaultKind.oldCopy]: ({ time }, machine) => {
    const copy: MemoryFileSystem = machine.copyFolder();
    const copiedMs = time.monotonicMs();
    return () => {
      machine.kill();
      machine.putBack(copy, time.monotonicMs() - copiedMs);
      machine.start();
    };
  },
};

function whileDown(machine: Machine, act: () => void): EndFault | null {
  machine.isWanted = false;
  machine.kill();
  act();
  return () => machine.start();
}

/** A machine and some others. */
function sideOf({ machines }: SimulatedCluster, machine: Machine, degree: number): ReadonlySet<string> {
  const start = machines.indexOf(machine);
  const count = 1 + Math.floor(degree * (machines.length - 1));
  return new Set(Array.from({ length: count }, (_, i) => machines[(start + i) % machines.length].id));
}

function block(cluster: SimulatedCluster, isBlocked: (from: string, to: string) => boolean): EndFault {
  const { links } = cluster.network;
  const ways = cluster.ways.filter(([from, to]) => isBlocked(from, to));
  for (const [from, to] of ways) links.block(from, to);
  return () => {
    for (const [from, to] of ways) links.unblock(from, to);
  };
}

function waysOf({ ways }: SimulatedCluster, { id }: Machine): (readonly [string, string])[] {
  return ways.filter(([from, to]) => from === id || to === id);
}
