/** A coordinator over replicas that a test answers for, with a clock and timestamps that it moves. */
import { encodeRecord } from '../../native-free-lsm/index.ts';
import type { Clock } from '../../src/clock.ts';
import type { ClusterView } from '../../src/cluster/cluster-view.ts';
import { slotOf } from '../../src/cluster/slots.ts';
import type { Replication } from '../../src/config.ts';
import { Coordinator } from '../../src/coordinator/coordinator.ts';
import type { HedgingOptions } from '../../src/coordinator/hedging.ts';
import type { ReplicaSet } from '../../src/coordinator/replica-access.ts';
import type { TimestampWaiter } from '../../src/hybrid-clock.ts';
import { Outcome } from '../../src/outcome.ts';
import { found as foundRecord, stale as metVersion, type ReplicaReply } from '../../src/reply.ts';
import type { EntityService } from '../../src/services.ts';
import type { SettlementSink } from '../../src/settlement.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { viewOf } from './cluster-view.ts';
import { FakeReplicas } from './fake-replicas.ts';
import { KeptSettlements, versionText } from './kept-settlements.ts';
import { hedgingOf } from './replication.ts';

export const KEY = Buffer.from('key1');
export const VALUE = Buffer.from('value');
export const TIMEOUT_MS = 1000;
/** How long an expired value may be there for another node. */
export const FRESH_MS = 2_000;
const NAMES = new Map(Object.entries(Outcome).map(([name, number]) => [number, name]));

export class FakeTimestamps {
  last = 100;
  limit = 1_000_000;
  isExhausted = false;
  refusal: string | undefined;
  readonly waiting = new Set<TimestampWaiter>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  issue(): number {
    return this.isExhausted ? 0 : ++this.last;
  }

  wait(waiter: TimestampWaiter): void {
    this.waiting.add(waiter);
  }

  stopWaiting(waiter: TimestampWaiter): void {
    this.waiting.delete(waiter);
  }

  follow(timestamp: number): boolean {
    if (timestamp > this.limit) return false;
    this.last = Math.max(this.last, timestamp);
    return true;
  }

  reserved(error: Error | null): void {
    for (const waiter of [...this.waiting]) if (this.waiting.delete(waiter)) waiter.onTimestamps(error);
  }
}

/** Takes the answers to requests, `outcome value reason`. */
export class Answers {
  readonly all: string[] = [];
  /** What the answer is about, `timestamp by writer`; empty: no version. */
  readonly versions: string[] = [];
  next: (() => void) | null = null;

  readonly largeValues: number[] = [];

  onLargeValue(bytes: number): void {
    this.largeValues.push(bytes);
  }

  onOutcome(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
  ): void {
    this.versions.push(versionText(timestamp, writer));
    const text = value === null ? '' : Buffer.from(value).toString();
    this.all.push([NAMES.get(outcome), text, reason].filter((part) => part !== '').join(' '));
    this.next?.();
  }
}

export function viewOfNodes(count: number, epoch = 1): ClusterView {
  return viewOf(
    Array.from({ length: count }, (_, i) => `node-${i + 1}`),
    epoch,
  );
}

/**
 * @param counters are told what is kept in `settled`, too
 * @param writesBack false: a read is answered by what it hears first, whatever that is
 */
export function setUpCoordinator(
  replicas: ReplicaSet,
  counters?: SettlementSink,
  replication: Replication = 'parallel',
  hedging: Partial<HedgingOptions> = {},
  writesBack = false,
) {
  const { nodes, placement } = replicas.view;
  const clock = new FakeClock();
  const timestamps = new FakeTimestamps(clock);
  const kept = new KeptSettlements();
  const settlements: SettlementSink = {
    onSettled: (settlement) => {
      kept.onSettled(settlement);
      counters?.onSettled(settlement);
    },
  };
  const more = {
    timestamps,
    writerId: 7,
    clock,
    timeoutMs: TIMEOUT_MS,
    settlements,
    replication,
    writesBack,
    freshMs: FRESH_MS,
  };
  const cluster = { current: replicas };
  const coordinator: Coordinator & EntityService = new Coordinator({
    replicas: cluster,
    ...more,
    hedging: { ...hedgingOf(''), ...hedging },
  });
  const offset = placement.listOffset(slotOf(KEY));
  const preferred = Array.from(placement.lists.subarray(offset, offset + nodes.length));
  const ids = preferred.map((node) => nodes[node].id);
  return { coordinator, cluster, clock, timestamps, preferred, ids, settled: kept.all };
}

export function setUpWaiting(count = 3, counters?: SettlementSink) {
  const replicas = new FakeReplicas(viewOfNodes(count));
  const answers = new Answers();
  return { ...setUpCoordinator(replicas, counters), asked: replicas.asked, answers };
}

export function found(
  timestamp: number,
  value: string,
  more: { tombstone?: boolean; expiryMs?: number; from?: number } = {},
): ReplicaReply {
  const fields = { timestamp, writer: 1, from: 3, tombstone: false, expiryMs: 0, ...more };
  return foundRecord(encodeRecord(fields, Buffer.from(value)));
}

export function stale(timestamp: number, writer = 1): ReplicaReply {
  return metVersion(timestamp, writer);
}
