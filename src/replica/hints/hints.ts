/**
 * Hinted handoff: a write that a replica missed is remembered, and brought to it when it is back.
 *
 * Who remembers is an owner that took the write, because it has the record, and a hint without the value is small. That
 * is the coordinator itself where it is one of them; else it asks the first that is. A write that no owner took was not
 * acknowledged and is nowhere: there is nothing to remember. (So a hint never needs a copy of the value, and no node
 * ever holds one for another.) Where the coordinator dies before it could remember, or the hint is lost or does not fit
 * in, anti-entropy finds what is missing.
 *
 * A hint is no acknowledgement, and nothing of a client's request waits for it.
 */
import { Backoff } from '../../backoff.ts';
import type { Clock, Random, TimerHandle } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { FailureCode } from '../../failure.ts';
import { LimitedLog } from '../../limited-log.ts';
import type { Log } from '../../log.ts';
import { failed, type ReplySink, STORED } from '../../reply.ts';
import { ReplicaState, RequestKind, type Settlement, type SettlementSink } from '../../settlement.ts';
import type { ByteThrottle } from '../byte-throttle.ts';
import type { DeliveryContext } from '../delivery.ts';
import { isOwnKey, type OwnRecords } from '../own-records.ts';
import {
  type DeliveryCounts,
  type DeliveryState,
  HintDelivery,
  type HintDeliveryContext,
} from './hint-delivery.ts';
import { HintLog, Noted } from './hint-log.ts';
import { HintOutbox, type HintPeers } from './hint-outbox.ts';
import { decodeHintPage } from './hint-page.ts';
import type { HintQueue } from './hint-queue.ts';

/** How often it looks whether nodes are back, and whether hints are too old. */
const TICK_MS = 500;
const MIN_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5_000;
const LOG_PERIOD_MS = 60_000;

/** Of a write that such a failure met, no later one can be taken either. */
const NOT_TO_BE_HINTED: ReadonlySet<number> = new Set([
  FailureCode.noSuchPeer,
  FailureCode.keyTooLong,
  FailureCode.tooLarge,
  FailureCode.malformed,
]);

const OFF = failed(FailureCode.notServed, 'this node keeps no hints');
const FULL = failed(FailureCode.queueFull, 'there is no room for more hints');
const LOST = failed(FailureCode.storage, 'the hints could not be stored');
const NO_PAGE = failed(FailureCode.malformed, 'the hints are malformed');

interface HintsOptions {
  readonly nodeId: string;
  readonly isOn: boolean;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly records: OwnRecords;
  readonly deliveries: DeliveryContext;
  readonly peers: HintPeers & {
    isUp(nodeId: string): boolean;
    /** Whether the node belongs to the cluster. */
    has(nodeId: string): boolean;
  };
  readonly throttle: ByteThrottle;
  readonly requests: () => number;
  readonly clock: Clock;
  /** Since the Unix epoch: a time that does not jump with the wall clock; 0 while it is not known. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly log: Log;
}

interface HintFigures extends Readonly<DeliveryCounts> {
  readonly isOn: boolean;
  /** Keys that wait, and what they take; the bound is --max-hint-bytes. */
  readonly keys: number;
  readonly bytes: number;
  /** How long the oldest has waited; 0: none waits. */
  readonly oldestMs: number;
  /** Since the start: writes that a replica missed, which this node remembers... */
  readonly remembered: number;
  /** ...or had remembered already, for an earlier write of the key. */
  readonly known: number;
  /** Asked another owner to remember, and how many of these could not be asked or refused. */
  readonly passedOn: number;
  readonly passedOnInVain: number;
  /** No owner took the write. */
  readonly nowhere: number;
  /** Dropped: for want of room, for their age, or as they could not be stored or nobody is to get them any more. */
  readonly overflowed: number;
  readonly expired: number;
  readonly lost: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly keys: number;
    readonly bytes: number;
    readonly state: DeliveryState;
  }[];
}

export class Hints implements SettlementSink {
  readonly #options: HintsOptions;
  readonly #log: HintLog;
  readonly #outbox: HintOutbox;
  readonly #limitedLog: LimitedLog<'fault'>;
  readonly #deliveries = new Map<HintQueue, HintDelivery>();
  readonly #context: HintDeliveryContext;
  readonly #counts: DeliveryCounts = { delivered: 0, current: 0, undeliverable: 0, sentBytes: 0 };
  #timer: TimerHandle | null = null;
  #isTicking = false;
  #isClosed = false;
  #remembered = 0;
  #known = 0;
  #nowhere = 0;

  constructor(options: HintsOptions) {
    const { clock, deliveries, log, nodeId, peers, records, requests, throttle } = options;
    this.#options = options;
    this.#limitedLog = new LimitedLog(log, clock, LOG_PERIOD_MS);
    this.#log = new HintLog({ ...options, records, clock, log });
    this.#outbox = new HintOutbox(peers, clock, deliveries.timeoutMs);
    this.#context = {
      nodeId,
      log: this.#log,
      deliveries,
      clock,
      throttle,
      isUp: (id) => peers.isUp(id),
      requests,
      tellFault: (sentence) => this.#limitedLog.warn('fault', sentence),
    };
  }

  /** Goes on with what an earlier start has left, or drops it when this one keeps no hints. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    try {
      await this.#log.load();
    } catch (error) {
      const sentence = `Hints of the last start cannot be read, so anti-entropy will deliver them: ${errorMessage(error)}`;
      this.#limitedLog.warn('fault', sentence);
    }
    if (!this.#isClosed) this.#timer = clock.every(TICK_MS, () => void this.#tick());
  }

  onSettled(settlement: Settlement): void {
    if (settlement.kind !== RequestKind.write || settlement.timestamp === 0) return;
    for (let position = 0; position < settlement.from; position++) {
      const state = settlement.stateOf(position);
      if (state !== ReplicaState.current && state !== ReplicaState.newer) this.#missed(settlement, position);
    }
  }

  /**
   * Another node asks this one, which took the writes, to remember hints.
   * @param page as hint-page.ts draws it
   */
  remember(nodeId: string, page: Uint8Array, sink: ReplySink, token: number): void {
    const { isOn, nodeId: self, peers } = this.#options;
    const keys = decodeHintPage(page)?.keys;
    if (keys === undefined || nodeId === self || !peers.has(nodeId) || keys.some(isOwnKey))
      sink.onReply(token, NO_PAGE);
    else if (!isOn || this.#isClosed) sink.onReply(token, OFF);
    else {
      const overflowed = this.#log.overflowed;
      for (const key of keys) this.#note(nodeId, key);
      const reply = this.#log.overflowed === overflowed ? STORED : FULL;
      void this.#log.stored(nodeId).then((areStored) => sink.onReply(token, areStored ? reply : LOST));
    }
  }

  figures(): HintFigures {
    const { isOn } = this.#options;
    const queues = [...this.#log.queues];
    const { expired, lost, overflowed } = this.#log;
    return {
      isOn,
      keys: queues.reduce((sum, { keys }) => sum + keys, 0),
      bytes: this.#log.bytes,
      oldestMs: Math.round(this.#log.oldestMs),
      remembered: this.#remembered,
      known: this.#known,
      passedOn: this.#outbox.passedOn,
      passedOnInVain: this.#outbox.inVain,
      nowhere: this.#nowhere,
      overflowed: overflowed + this.#outbox.overflowed,
      expired,
      lost,
      ...this.#counts,
      nodes: queues.map((queue) => ({
        id: queue.nodeId,
        keys: queue.keys,
        bytes: queue.bytes,
        state: this.#deliveryOf(queue).state,
      })),
    };
  }

  /** Delivers no more, and stores what has gathered. Call it while peers can be asked and the engine is open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const delivery of this.#deliveries.values()) delivery.close();
    this.#outbox.close();
    await this.#log.close();
  }

  #missed(settlement: Settlement, position: number): void {
    const { isOn, nodeId } = this.#options;
    if (!isOn || NOT_TO_BE_HINTED.has(settlement.failureOf(position))) return;
    const missedId = settlement.nodeIdOf(position);
    const holderId = this.#holderOf(settlement);
    if (holderId === null) {
      this.#nowhere++;
      return;
    }
    if (holderId === nodeId) this.#note(missedId, settlement.key);
    else this.#outbox.add(holderId, missedId, settlement.key);
    settlement.noteFollowUp(position, 'hint');
  }

  /** An owner that has the record: this node if it can be. */
  #holderOf(settlement: Settlement): string | null {
    let holderId: string | null = null;
    for (let position = 0; position < settlement.from; position++) {
      const state = settlement.stateOf(position);
      if (state !== ReplicaState.current && state !== ReplicaState.newer) continue;
      const nodeId = settlement.nodeIdOf(position);
      if (nodeId === this.#options.nodeId) return nodeId;
      holderId ??= nodeId;
    }
    return holderId;
  }

  #note(nodeId: string, key: Uint8Array): void {
    const noted = this.#log.add(nodeId, key);
    if (noted === Noted.added) this.#remembered++;
    else if (noted === Noted.known) this.#known++;
  }

  async #tick(): Promise<void> {
    const { isOn, peers } = this.#options;
    if (this.#isTicking) return;
    this.#isTicking = true;
    await this.#log.expire();
    for (const queue of [...this.#log.queues]) {
      if (isOn && peers.has(queue.nodeId)) this.#deliveryOf(queue).kick();
      else {
        this.#deliveryOf(queue).close();
        this.#deliveries.delete(queue);
        this.#log.lost += await this.#log.forget(queue);
      }
    }
    this.#isTicking = false;
  }

  #deliveryOf(queue: HintQueue): HintDelivery {
    let delivery = this.#deliveries.get(queue);
    if (delivery === undefined) {
      const backoff = new Backoff(MIN_BACKOFF_MS, MAX_BACKOFF_MS, this.#options.random);
      delivery = new HintDelivery(queue, this.#context, this.#counts, backoff);
      this.#deliveries.set(queue, delivery);
    }
    return delivery;
  }
}
