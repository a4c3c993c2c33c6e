/**
 * Delivers the hints for one node, page by page, the oldest first, as long as the node takes them. What it delivers is
 * read when it is sent, so it is the newest, however long the hint has waited. A page is deleted once the node has all
 * that is in it, and shortened when the node stops taking, so no record is delivered again and again.
 *
 * A record that is never answered, because it is too large for the link for example, must not keep back those behind it.
 * So each attempt at a page begins behind the record with which the last one ended, and a page of which nothing is taken
 * again and again is passed by for a while, as long as the node takes others. Only the newest record of a key is ever
 * delivered, so their order means nothing.
 */
import type { Backoff } from '../../backoff.ts';
import type { Clock, TimerHandle } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { FailureCode } from '../../failure.ts';
import type { ByteThrottle } from '../byte-throttle.ts';
import { Delivered, Delivery, type DeliveryContext, type DeliverySink } from '../delivery.ts';
import type { HintLog } from './hint-log.ts';
import { HintPace } from './hint-pace.ts';
import type { HintQueue, StoredPage } from './hint-queue.ts';

/** A record that a node can never take, or that can never be read, must not keep back those behind it. */
const LASTING: ReadonlySet<number> = new Set([
  FailureCode.noSuchPeer,
  FailureCode.protocol,
  FailureCode.keyTooLong,
  FailureCode.tooLarge,
  FailureCode.malformed,
  FailureCode.corruption,
]);
/** Between two looks whether the delivery was closed. */
const MAX_WAIT_MS = 1_000;
/** A page of which so often in a row nothing was taken may be passed by. */
const MAX_FAILURES = 3;

/** What the deliveries to all nodes share. */
export interface HintDeliveryContext {
  /** This node: it has what it has hints of. */
  readonly nodeId: string;
  readonly log: HintLog;
  readonly deliveries: DeliveryContext;
  readonly clock: Clock;
  /** Bytes that may be sent. */
  readonly throttle: ByteThrottle;
  /** Whether requests to the node would be sent. */
  readonly isUp: (nodeId: string) => boolean;
  /** Requests of clients that this node has had since the start. */
  readonly requests: () => number;
  readonly tellFault: (sentence: string) => void;
}

export interface DeliveryCounts {
  delivered: number;
  /** The node had it, or something newer, or is no owner of what is newest. */
  current: number;
  /** Nobody can deliver it: it cannot be read here, or not be taken there. */
  undeliverable: number;
  sentBytes: number;
}

export type DeliveryState = 'idle' | 'delivering' | 'backing off' | 'trying later' | 'waiting for the node';

export class HintDelivery {
  state: DeliveryState = 'idle';
  readonly #queue: HintQueue;
  readonly #context: HintDeliveryContext;
  readonly #counts: DeliveryCounts;
  readonly #backoff: Backoff;
  readonly #pace = new HintPace();
  #timer: TimerHandle | null = null;
  /** Whether the node has taken anything since a page was passed by. */
  #isTaking = true;
  #isClosed = false;

  constructor(queue: HintQueue, context: HintDeliveryContext, counts: DeliveryCounts, backoff: Backoff) {
    this.#queue = queue;
    this.#context = context;
    this.#counts = counts;
    this.#backoff = backoff;
  }

  /** Begins if there is anything to deliver and the node can be reached. */
  kick(): void {
    if (this.#isClosed || this.state === 'delivering' || this.state === 'backing off') return;
    const { isUp } = this.#context;
    if (this.#queue.first === undefined) this.state = 'idle';
    else if (!isUp(this.#queue.nodeId)) this.state = 'waiting for the node';
    else if (this.#nextPage() === undefined) this.state = 'trying later';
    else void this.#deliver();
  }

  /** Begins nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #deliver(): Promise<void> {
    this.state = 'delivering';
    let isTaken = true;
    try {
      for (let page = this.#nextPage(); page !== undefined && isTaken; page = this.#nextPage())
        isTaken = (await this.#deliverPage(page)) || this.#passesBy(page);
    } catch (error) {
      isTaken = false;
      // A node that stops closes its engine.
      if (!this.#isClosed)
        this.#context.tellFault(`Hints for node ${this.#queue.nodeId} wait: ${errorMessage(error)}`);
    }
    this.state = 'idle';
    if (isTaken) this.#backoff.reset();
    else this.#backOff();
  }

  #nextPage(): StoredPage | undefined {
    return this.#queue.due(this.#context.clock.monotonicMs());
  }

  /** Whether to go on with other pages although this one was not taken. */
  #passesBy(page: StoredPage): boolean {
    const nowMs = this.#context.clock.monotonicMs();
    if (!this.#isTaking) {
      this.#queue.recall(nowMs);
      this.#isTaking = true;
      return false;
    }
    if (this.#isClosed || page.failures < MAX_FAILURES || !this.#queue.passBy(page, nowMs)) return false;
    this.#isTaking = false;
    return true;
  }

  #backOff(): void {
    if (this.#isClosed) return;
    this.state = 'backing off';
    this.#timer = this.#context.clock.after(this.#backoff.nextMs(), () => {
      this.state = 'idle';
      this.kick();
    });
  }

  /** @returns whether the node has taken all of it */
  async #deliverPage(page: StoredPage): Promise<boolean> {
    const { clock, log, requests } = this.#context;
    const keys = rotated(await log.begin(this.#queue, page), page.firstKey);
    let done = 0;
    let left: Uint8Array[] = [];
    while (keys !== null && done < keys.length && left.length === 0 && !this.#isClosed) {
      await this.#waitForThrottle();
      if (this.#isClosed) break;
      const batch = new Batch(keys.slice(done, done + this.#pace.batch), this.#context, this.#counts);
      const beganMs = clock.monotonicMs();
      const requestsBefore = requests();
      left = await batch.deliver(this.#queue.nodeId);
      done += batch.keys.length;
      const tookMs = clock.monotonicMs() - beganMs;
      const restMs = this.#pace.restMs(
        batch.keys.length,
        batch.sentBytes,
        tookMs,
        requests() - requestsBefore,
      );
      if (restMs > 0 && left.length === 0) await this.#rest(restMs);
    }
    // The next attempt begins with what this one has not come to.
    const kept = [...(keys ?? []).slice(done), ...left];
    if (kept.length === 0 || kept.length < (keys?.length ?? 0)) {
      await log.keep(this.#queue, page, kept);
      page.failures = 0;
      page.firstKey = 0;
      this.#isTaking = true;
      // It takes something: the next attempt need not wait for long.
      this.#backoff.reset();
    } else if (left.length > 0) {
      page.failures++;
      page.firstKey = (page.firstKey + left.length) % kept.length;
    }
    return kept.length === 0;
  }

  async #waitForThrottle(): Promise<void> {
    let { waitMs } = this.#context.throttle;
    for (; waitMs > 0 && !this.#isClosed; waitMs -= MAX_WAIT_MS)
      await this.#rest(Math.min(waitMs, MAX_WAIT_MS));
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#context.clock.after(ms, resolve));
  }
}

function rotated(keys: readonly Uint8Array[] | null, first: number): readonly Uint8Array[] | null {
  return keys === null || first === 0 ? keys : [...keys.slice(first), ...keys.slice(0, first)];
}

/** Records that are under way together. The first that shows that the node takes nothing now ends it. */
class Batch implements DeliverySink {
  readonly keys: readonly Uint8Array[];
  sentBytes = 0;
  readonly #context: HintDeliveryContext;
  readonly #counts: DeliveryCounts;
  /** What is not delivered. */
  readonly #left: Set<Uint8Array>;
  #underWay = 0;
  #isStopped = false;
  readonly #over = Promise.withResolvers<void>();

  constructor(keys: readonly Uint8Array[], context: HintDeliveryContext, counts: DeliveryCounts) {
    this.keys = keys;
    this.#context = context;
    this.#counts = counts;
    this.#left = new Set(keys);
  }

  /** @returns the keys that the node has not got, in their order */
  async deliver(targetId: string): Promise<Uint8Array[]> {
    const { deliveries, nodeId } = this.#context;
    // One more, so that answers which come at once do not end it.
    this.#underWay = 1;
    for (const key of this.keys) {
      if (this.#isStopped) break;
      this.#underWay++;
      new Delivery(deliveries, key, nodeId, targetId, this).start();
    }
    this.#end();
    await this.#over.promise;
    return [...this.#left];
  }

  onDelivered({ key }: Delivery, result: Delivered, failure: number, sentBytes: number): void {
    this.sentBytes += sentBytes;
    this.#counts.sentBytes += sentBytes;
    this.#context.throttle.take(sentBytes);
    const hasFailed = result === Delivered.refused || result === Delivered.unread;
    if (hasFailed && !isLasting(result, failure)) this.#isStopped = true;
    else {
      this.#left.delete(key);
      if (result === Delivered.written) this.#counts.delivered++;
      else if (hasFailed || result === Delivered.gone) this.#counts.undeliverable++;
      else this.#counts.current++;
    }
    this.#end();
  }

  #end(): void {
    if (--this.#underWay === 0) this.#over.resolve();
  }
}

/** A disk that fails here fails for this record; there it fails for all of them, and may be mended. */
function isLasting(result: Delivered, failure: number): boolean {
  return LASTING.has(failure) || (failure === FailureCode.storage && result === Delivered.unread);
}
