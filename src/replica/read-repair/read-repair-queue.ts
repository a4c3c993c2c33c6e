/**
 * Read repair: where the replicas that a GET asked disagreed, those that lack the newest version get it, once the GET has
 * settled, so that late replies count as well. It is done in the background, a few at a time and so many bytes a second,
 * and each node has a lane of its own, so one that is slow, frozen or refuses holds up nobody else. What does not fit in
 * is dropped and counted: the next read finds it again, and anti-entropy finds everything.
 */
import type { Clock, TimerHandle } from '../../clock.ts';
import { FailureCode } from '../../failure.ts';
import { ReplicaState, RequestKind, type Settlement, type SettlementSink } from '../../settlement.ts';
import type { ByteThrottle } from '../byte-throttle.ts';
import { Delivered, Delivery, type DeliveryContext, type DeliverySink } from '../delivery.ts';
import { RepairLane } from './repair-lane.ts';

/** Between two looks at what is queued: in this time a key that is read again and again is queued once. */
const TURN_MS = 10;
/** Repairs that are begun in a turn, of all lanes together: 2,000 a second. */
const REPAIRS_PER_TURN = 20;
const MAX_UNDER_WAY = 16;
/** A node that has refused one gets the next only then. */
const PAUSE_MS = 1_000;

interface ReadRepairOptions {
  readonly nodeId: string;
  readonly deliveries: DeliveryContext;
  readonly clock: Clock;
  readonly throttle: ByteThrottle;
}

interface ReadRepairFigures {
  /** Replicas and keys that wait, and that are being repaired. */
  readonly queued: number;
  readonly underWay: number;
  /** Since the start: replicas that have got a record, or had it by then. */
  readonly repaired: number;
  readonly current: number;
  readonly failed: number;
  /** Not tried, as too many waited, or the node was stopping. */
  readonly dropped: number;
  readonly sentBytes: number;
}

export class ReadRepairQueue implements SettlementSink, DeliverySink {
  readonly #nodeId: string;
  readonly #deliveries: DeliveryContext;
  readonly #clock: Clock;
  readonly #throttle: ByteThrottle;
  /** Until when it waits for what it and others have sent; 0: it has not looked yet. */
  #waitsUntilMs = 0;
  /** By the node that lacks something. */
  readonly #lanes = new Map<string, RepairLane>();
  /** The lane that comes first in the next turn. */
  #nextLane = 0;
  #timer: TimerHandle | null = null;
  #isClosed = false;
  #repaired = 0;
  #current = 0;
  #failed = 0;
  #dropped = 0;
  #sentBytes = 0;

  constructor({ nodeId, deliveries, clock, throttle }: ReadRepairOptions) {
    this.#nodeId = nodeId;
    this.#deliveries = deliveries;
    this.#clock = clock;
    this.#throttle = throttle;
  }

  onSettled(settlement: Settlement): void {
    if (settlement.kind !== RequestKind.read) return;
    for (let position = 0; position < settlement.from; position++) {
      const state = settlement.stateOf(position);
      // One that has nothing may be right: a read with a larger `from` than the write's asks others than its owners.
      const isOwner = position < settlement.writtenFrom;
      const lacks =
        state === ReplicaState.missing || (state === ReplicaState.failed && isUnread(settlement, position));
      if (state === ReplicaState.stale || (lacks && isOwner)) this.#note(settlement, position);
    }
  }

  onDelivered({ targetId }: Delivery, result: Delivered, _failure: number, sentBytes: number): void {
    const lane = this.#laneOf(targetId);
    lane.underWay--;
    this.#sentBytes += sentBytes;
    this.#throttle.take(sentBytes);
    if (result === Delivered.written) this.#repaired++;
    else if (result === Delivered.refused || result === Delivered.unread) {
      this.#failed++;
      // Whether the source failed or the target: the next of this lane is likely to meet the same.
      lane.pausedUntilMs = this.#clock.monotonicMs() + PAUSE_MS;
    } else this.#current++;
    this.#schedule();
  }

  figures(): ReadRepairFigures {
    let queued = 0;
    let underWay = 0;
    for (const lane of this.#lanes.values()) {
      queued += lane.queued;
      underWay += lane.underWay;
    }
    return {
      queued,
      underWay,
      repaired: this.#repaired,
      current: this.#current,
      failed: this.#failed,
      dropped: this.#dropped,
      sentBytes: this.#sentBytes,
    };
  }

  /** Begins no more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const lane of this.#lanes.values()) this.#dropped += lane.clear();
  }

  #note(settlement: Settlement, position: number): void {
    const sourceId = this.#sourceOf(settlement);
    if (sourceId === null) return;
    const isQueued =
      !this.#isClosed && this.#laneOf(settlement.nodeIdOf(position)).add(settlement.key, sourceId);
    if (isQueued) {
      settlement.noteFollowUp(position, 'repair');
      this.#schedule();
    } else this.#dropped++;
  }

  /** A node that has said the newest version: this one if it can be. */
  #sourceOf(settlement: Settlement): string | null {
    let sourceId: string | null = null;
    for (let position = 0; position < settlement.from; position++) {
      if (settlement.stateOf(position) !== ReplicaState.current) continue;
      const nodeId = settlement.nodeIdOf(position);
      if (nodeId === this.#nodeId) return nodeId;
      sourceId ??= nodeId;
    }
    return sourceId;
  }

  #laneOf(nodeId: string): RepairLane {
    let lane = this.#lanes.get(nodeId);
    if (lane === undefined) {
      lane = new RepairLane();
      this.#lanes.set(nodeId, lane);
    }
    return lane;
  }

  #schedule(): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = this.#clock.after(TURN_MS, () => {
      this.#timer = null;
      this.#turn();
    });
  }

  /** What others take while it waits does not make it wait longer. */
  #hasWaited(nowMs: number): boolean {
    if (this.#waitsUntilMs === 0) this.#waitsUntilMs = nowMs + this.#throttle.waitMs;
    if (nowMs < this.#waitsUntilMs) return false;
    this.#waitsUntilMs = 0;
    return true;
  }

  #turn(): void {
    const nowMs = this.#clock.monotonicMs();
    const lanes = [...this.#lanes];
    let mayBegin = this.#hasWaited(nowMs);
    let left = REPAIRS_PER_TURN;
    this.#nextLane = (this.#nextLane + 1) % lanes.length;
    for (let i = 0; i < lanes.length; i++) {
      const [targetId, lane] = lanes[(this.#nextLane + i) % lanes.length];
      while (left > 0 && lane.underWay < MAX_UNDER_WAY && nowMs >= lane.pausedUntilMs && mayBegin) {
        const repair = lane.take();
        if (repair === undefined) break;
        left--;
        lane.underWay++;
        new Delivery(this.#deliveries, repair.key, repair.sourceId, targetId, this).start();
        mayBegin = this.#throttle.waitMs === 0;
      }
    }
    if (lanes.some(([, lane]) => lane.queued > 0)) this.#schedule();
  }
}

/** Whether its disk could not read the key: a record that is as new as the lost one takes its place, and no older one does. */
function isUnread(settlement: Settlement, position: number): boolean {
  const code = settlement.failureOf(position);
  return code === FailureCode.corruption || code === FailureCode.storage;
}
