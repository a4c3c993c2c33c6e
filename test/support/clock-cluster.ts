/**
 * A cluster in this process over one fake time. It has the real clocks, replicas and coordinators, a Map for each
 * engine that outlives its node, and a network that takes some time. The subject is which write wins, so everything
 * else is as simple as possible. The nodes take turns in how they ask replicas.
 */
import { MapEngine, type MapRecords } from '../../bench/cluster/map-engine.ts';
import { timestampAt } from '../../native-free-lsm/index.ts';
import type { Random } from '../../src/clock.ts';
import type { ClusterView } from '../../src/cluster/cluster-view.ts';
import { Coordinator } from '../../src/coordinator/coordinator.ts';
import type { TimestampSource } from '../../src/coordinator/operation.ts';
import { type LocalReplica, NodeReplicaSet, type RemoteReplicas } from '../../src/coordinator/replica-set.ts';
import { FailureCode } from '../../src/failure.ts';
import type { Outcome, OutcomeSink } from '../../src/outcome.ts';
import { Replica, type TimestampJudge } from '../../src/replica/replica.ts';
import { failed, type ReplicaReply, ReplyKind, type ReplySink, STORED } from '../../src/reply.ts';
import type { FakeClock } from '../../src/simulation/fake-clock.ts';
import { type ClockNode, clockNodes, MAX_DRIFT_MS } from './clock-nodes.ts';
import { viewOf } from './cluster-view.ts';
import { hedgingOf, REPLICATIONS } from './replication.ts';

const TIMEOUT_MS = 1_000;
const MAX_LATENCY_MS = 4;
const SILENT = { warn: () => undefined, error: () => undefined };
const DOWN = failed(FailureCode.peerUnavailable, 'down');

/** Old faults, planted to see that they are found. */
export const PlantedFault = {
  none: 'none',
  /** A replica that holds a newer version says that it has stored the write. */
  staleIsStored: 'staleIsStored',
  /** Timestamps are those of the wall clock, and a node stores its own, however wrong they are. */
  wallClockIsTime: 'wallClockIsTime',
} as const;
export type PlantedFault = (typeof PlantedFault)[keyof typeof PlantedFault];

export class ClusterNode {
  readonly clocks: ClockNode;
  readonly #records: MapRecords = new Map();
  readonly #cluster: ClockCluster;
  readonly #index: number;
  replica!: Replica;
  coordinator!: Coordinator;
  /** The last timestamp, when the wall clock is the time. */
  #last = 0;
  /** The life of its process: what was sent to an earlier one does not arrive. */
  life = 0;

  constructor(cluster: ClockCluster, index: number, clocks: ClockNode) {
    this.#cluster = cluster;
    this.#index = index;
    this.clocks = clocks;
  }

  get isUp(): boolean {
    return this.clocks.isUp;
  }

  start(): void {
    const { clocks } = this;
    const { view, fault } = this.#cluster;
    clocks.start();
    this.life++;
    const timestamps: TimestampSource & TimestampJudge =
      fault === PlantedFault.wallClockIsTime ? this.#wallTimestamps() : clocks.hybrid;
    this.replica = new Replica({
      engine: new MapEngine(this.#records),
      wholeness: { isWhole: true, isSlotWhole: () => true },
      timestamps,
      settlements: { highest: 0, judge: () => null },
      clock: clocks.clock,
      maxKeyBytes: 64,
      maxRecordBytes: 1024,
      log: SILENT,
    });
    this.coordinator = new Coordinator({
      replicas: { current: new NodeReplicaSet(view, `n${this.#index}`, this.#local(), this.#remote()) },
      timestamps,
      writerId: this.#index + 1,
      clock: clocks.clock,
      timeoutMs: TIMEOUT_MS,
      settlements: { onSettled: () => undefined },
      writesBack: true,
      freshMs: 2_000,
      replication: REPLICATIONS[this.#index % REPLICATIONS.length],
      hedging: hedgingOf(`n${this.#index}`),
    });
  }

  kill(): void {
    this.clocks.stop();
    this.life++;
  }

  #local(): LocalReplica {
    const { replica } = this;
    return {
      read: (key, sink, position) => replica.read(key, sink, position),
      readVersion: (key, sink, position) => replica.readVersion(key, sink, position),
      write: (key, record, sink, position) => replica.write(key, record, this.#heard(sink), position),
    };
  }

  #remote(): RemoteReplicas {
    return {
      read: (node, asked, _timeoutMs, sink, position) => {
        this.#send(node, sink, position, (peer, answer) => peer.replica.read(asked, answer, position));
      },
      readVersion: (node, asked, _timeoutMs, sink, position) => {
        this.#send(node, sink, position, (peer, answer) => peer.replica.readVersion(asked, answer, position));
      },
      write: (lists, offset, count, key, record, _timeoutMs, sink) => {
        const refusals = new Array<ReplicaReply | null>(count).fill(null);
        for (let position = 0; position < count; position++) {
          const node = lists[offset + position];
          if (this.#cluster.nodes[node] === this) continue;
          if (this.#cluster.nodes[node].isUp)
            this.#send(node, this.#heard(sink), position, (peer, answer) =>
              peer.replica.writeFromPeer(key, record, answer, position),
            );
          else refusals[position] = DOWN;
        }
        return refusals;
      },
    };
  }

  #send(
    node: number,
    sink: ReplySink,
    position: number,
    ask: (peer: ClusterNode, answer: ReplySink) => void,
  ): void {
    const { base, nodes, latencyMs } = this.#cluster;
    const peer = nodes[node];
    if (!peer.isUp) {
      sink.onReply(position, DOWN);
      return;
    }
    const [here, there] = [this.life, peer.life];
    base.after(latencyMs(), () => {
      // A node that was killed meanwhile hears nothing and says nothing.
      if (peer.life !== there) return;
      const answer: ReplySink['onReply'] = (_, reply) => {
        base.after(latencyMs(), () => {
          if (this.life === here && peer.life === there) sink.onReply(position, reply);
        });
      };
      ask(peer, { onReply: answer });
    });
  }

  /** Passes on what the coordinator is told of a write, with the planted fault. */
  #heard(sink: ReplySink): ReplySink {
    if (this.#cluster.fault !== PlantedFault.staleIsStored) return sink;
    const told = (reply: ReplicaReply): ReplicaReply => (reply.kind === ReplyKind.stale ? STORED : reply);
    return { onReply: (position, reply) => sink.onReply(position, told(reply)) };
  }

  /** The old rules: the time is what the wall clock shows, and what is issued is stored. */
  #wallTimestamps(): TimestampSource & TimestampJudge {
    const { clock } = this.clocks;
    return {
      refusal: undefined,
      issue: () => {
        this.#last = Math.max(this.#last + 1, timestampAt(clock.nowMs()));
        return this.#last;
      },
      wait: () => undefined,
      stopWaiting: () => undefined,
      nowMs: () => clock.nowMs(),
      follow: (timestamp) => {
        if (timestamp <= this.#last) return true;
        if (timestamp > timestampAt(clock.nowMs() + MAX_DRIFT_MS)) return false;
        this.#last = timestamp;
        return true;
      },
    };
  }
}

export class ClockCluster {
  readonly nodes: readonly ClusterNode[];
  readonly view: ClusterView;
  readonly base: FakeClock;
  readonly fault: PlantedFault;
  readonly latencyMs: () => number;

  constructor(count: number, base: FakeClock, random: Random, fault: PlantedFault) {
    this.base = base;
    this.fault = fault;
    this.latencyMs = () => random() * MAX_LATENCY_MS;
    const clocks = clockNodes(count, base, this.latencyMs);
    this.view = viewOf(clocks.map((_, i) => `n${i}`));
    this.nodes = clocks.map((clock, i) => new ClusterNode(this, i, clock));
    for (const node of this.nodes) node.start();
  }

  /** Sends a request as a client. It is never answered when the node is killed meanwhile. */
  ask(
    node: number,
    request: (coordinator: Coordinator, reply: OutcomeSink) => void,
    answered: (outcome: Outcome, value: string, reason: string) => void,
  ): void {
    const { coordinator, life } = this.nodes[node];
    request(coordinator, {
      onLargeValue: () => undefined,
      onOutcome: (outcome, value, reason) => {
        if (this.nodes[node].life !== life) return;
        answered(outcome, value === null ? '' : Buffer.from(value).toString(), reason);
      },
    });
  }
}
