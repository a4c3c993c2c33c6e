/**
 * The coordinators of a small cluster over replicas that keep records in memory: messages are late, lost and overtaken,
 * replicas are away for a while, and every node has a clock of its own. All from one random source, on one fake clock.
 */
import {
  compareRecordVersions,
  compareVersions,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../../../native-free-lsm/index.ts';
import type { Random } from '../../../src/clock.ts';
import type { ClusterView } from '../../../src/cluster/cluster-view.ts';
import { slotOf } from '../../../src/cluster/slots.ts';
import { Coordinator } from '../../../src/coordinator/coordinator.ts';
import type { TimestampSource } from '../../../src/coordinator/operation.ts';
import type { EncodedWrite, ReplicaSet } from '../../../src/coordinator/replica-access.ts';
import { FailureCode } from '../../../src/failure.ts';
import {
  ABSENT,
  failed,
  found,
  type ReplicaReply,
  type ReplySink,
  STORED,
  stale,
} from '../../../src/reply.ts';
import type { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { viewOf } from '../../support/cluster-view.ts';
import { hedgingOf, REPLICATIONS } from '../../support/replication.ts';

export const TIMEOUT_MS = 100;
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');
const TOO_FAR_AHEAD = failed(FailureCode.timestampAhead, 'timestamp too far ahead of the clock');
/** Timestamps are ticks of a node's own clock: so many a millisecond. */
const TICKS_PER_MS = 16;
const START_MS = 10_000;

export interface Weather {
  /** Of messages, each way. */
  readonly lost: number;
  readonly away: number;
  /** How far a node's clock may be off, each way, and how far ahead it accepts a timestamp. */
  readonly skewMs: number;
  readonly driftMs: number;
}

class Node implements TimestampSource {
  readonly refusal = undefined;
  readonly records = new Map<string, Uint8Array>();
  awayUntilMs = 0;
  readonly #clock: FakeClock;
  readonly #offsetMs: number;
  readonly #driftMs: number;
  #last = 0;

  constructor(clock: FakeClock, offsetMs: number, driftMs: number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
    this.#driftMs = driftMs;
  }

  nowMs(): number {
    return START_MS + this.#clock.monotonicMs() + this.#offsetMs;
  }

  issue(): number {
    this.#last = Math.max(this.#last + 1, Math.floor(this.nowMs() * TICKS_PER_MS));
    return this.#last;
  }

  follow(timestamp: number): boolean {
    if (timestamp > (this.nowMs() + this.#driftMs) * TICKS_PER_MS) return false;
    this.#last = Math.max(this.#last, timestamp);
    return true;
  }

  wait(): void {}

  stopWaiting(): void {}

  read(key: string, isOfVersion: boolean): ReplicaReply {
    const record = this.records.get(key);
    if (record === undefined) return ABSENT;
    return found(isOfVersion ? record.subarray(0, recordValueStart(record, 0)) : record);
  }

  write(key: string, record: Uint8Array): ReplicaReply {
    if (!this.follow(recordTimestamp(record, 0))) return TOO_FAR_AHEAD;
    const has = this.records.get(key);
    if (has !== undefined && compareRecordVersions(record, 0, has, 0) <= 0)
      return stale(recordTimestamp(has, 0), recordWriter(has, 0));
    this.records.set(key, record);
    return STORED;
  }
}

export class RegisterCluster {
  readonly view: ClusterView;
  readonly coordinators: readonly Coordinator[];
  readonly nodes: readonly Node[];
  readonly clock: FakeClock;
  readonly #random: Random;
  readonly #weather: Weather;

  constructor(clock: FakeClock, random: Random, nodes: number, weather: Weather, writesBack: boolean) {
    this.clock = clock;
    this.#random = random;
    this.#weather = weather;
    const ids = Array.from({ length: nodes }, (_, i) => `n${i}`);
    this.view = viewOf(ids);
    this.nodes = ids.map(() => new Node(clock, (random() * 2 - 1) * weather.skewMs, weather.driftMs));
    this.coordinators = ids.map(
      (id, i) =>
        new Coordinator({
          replicas: { current: this.#replicasOf(i) },
          timestamps: this.nodes[i],
          writerId: 2 * i,
          clock,
          timeoutMs: TIMEOUT_MS,
          writesBack,
          freshMs: 2 * weather.driftMs,
          settlements: { onSettled: () => undefined },
          replication: REPLICATIONS[i % REPLICATIONS.length],
          hedging: hedgingOf(id),
        }),
    );
  }

  /** Replicas go away and come back; what was on its way to them meanwhile is lost. */
  blow(): void {
    for (const node of this.nodes)
      if (this.#random() < this.#weather.away)
        node.awayUntilMs = this.clock.monotonicMs() + this.#random() * 2 * TIMEOUT_MS;
  }

  close(): void {
    for (const coordinator of this.coordinators) coordinator.close();
  }

  #replicasOf(self: number): ReplicaSet {
    const { lists } = this.view.placement;
    const ask = (
      node: number,
      answer: (replica: Node) => ReplicaReply,
      timeoutMs: number,
      sink: ReplySink,
      position: number,
    ): void => this.#send(self, node, answer, timeoutMs, sink, position);
    return {
      view: this.view,
      read: (node, key, timeoutMs, sink, position) =>
        ask(node, (replica) => replica.read(nameOf(key), false), timeoutMs, sink, position),
      readVersion: (node, key, timeoutMs, sink, position) =>
        ask(node, (replica) => replica.read(nameOf(key), true), timeoutMs, sink, position),
      write: (listOffset: number, count: number, write: EncodedWrite, sink: ReplySink) => {
        const { key, record, timeoutMs } = write;
        for (let i = 0; i < count; i++)
          ask(lists[listOffset + i], (replica) => replica.write(nameOf(key), record), timeoutMs, sink, i);
      },
    };
  }

  /** Exactly one answer comes back, with the time-out at the latest. */
  #send(
    self: number,
    node: number,
    answer: (replica: Node) => ReplicaReply,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const random = this.#random;
    let isAnswered = false;
    const tell = (reply: ReplicaReply): void => {
      if (isAnswered) return;
      isAnswered = true;
      sink.onReply(position, reply);
    };
    this.clock.after(timeoutMs + random(), () => tell(TIMED_OUT));
    const isLocal = self === node;
    const delayMs = (): number =>
      isLocal ? random() * 2 : random() < 0.1 ? random() * TIMEOUT_MS : random() * 8;
    const isLost = (): boolean =>
      !isLocal && (random() < this.#weather.lost || this.nodes[node].awayUntilMs > this.clock.monotonicMs());
    this.clock.after(delayMs(), () => {
      if (isLost()) return;
      const reply = answer(this.nodes[node]);
      this.clock.after(delayMs(), () => {
        if (!isLost()) tell(reply);
      });
    });
  }

  /** How many of the key's first `from` replicas have this version or a newer one. */
  holdersOf(key: string, from: number, timestamp: number, writer: number): number {
    const { lists } = this.view.placement;
    const offset = this.view.placement.listOffset(slotOf(Buffer.from(key)));
    const records = Array.from(lists.subarray(offset, offset + from), (node) =>
      this.nodes[node].records.get(key),
    );
    const holds = (record: Uint8Array | undefined): boolean =>
      record !== undefined &&
      compareVersions(recordTimestamp(record, 0), recordWriter(record, 0), timestamp, writer) >= 0;
    return records.filter(holds).length;
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString();
}
