/**
 * The hints of a node, kept in its own records: bounded in bytes and age. A hint is stored some moments after it came,
 * with all others of these moments in one page, so a node that is killed loses the hints of the last 100 ms; anti-entropy
 * finds what they were for. Whatever goes wrong here costs hints, which are counted, and never a client's request.
 */
import type { Clock, TimerHandle } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { LimitedLog } from '../../limited-log.ts';
import type { Log } from '../../log.ts';
import { OwnPart, type OwnRecords } from '../own-records.ts';
import { isUnreadable } from '../storage-fault.ts';
import {
  decodeHintPage,
  emptyPageBytes,
  encodeHintPage,
  hintBytes,
  pageName,
  parsePageName,
} from './hint-page.ts';
import { HintQueue, type SealedPage, type StoredPage } from './hint-queue.ts';
import { decodeHintTime, encodeHintTime, HINT_TIME_NAME, HintTime } from './hint-time.ts';

/** How long hints gather in a page before it is stored. */
const GATHER_MS = 100;
/** Pages on their way to the disk: when it takes no more, hints are dropped and not gathered in memory. */
const MAX_UNSTORED_BYTES = 4 * 1024 * 1024;
const LOG_PERIOD_MS = 60_000;
/** A node that is killed forgets so much of the age of its hints. */
const KEEP_TIME_EVERY_MS = 60_000;

interface HintLogOptions {
  readonly records: OwnRecords;
  readonly clock: Clock;
  /** Since the Unix epoch, for numbers that rise; 0: not known. */
  readonly nowMs: () => number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

export const Noted = {
  /** It will be stored. */
  added: 0,
  /** The key waits already. */
  known: 1,
  /** There is no room. */
  full: 2,
} as const;
export type Noted = (typeof Noted)[keyof typeof Noted];

export class HintLog {
  readonly #options: HintLogOptions;
  readonly #limitedLog: LimitedLog<'full' | 'fault'>;
  readonly #time: HintTime;
  #timeKeptMs = 0;
  readonly #queues = new Map<string, HintQueue>();
  #timer: TimerHandle | null = null;
  /** The last page of each queue that is on its way to the disk, and all that were before it: whether none is lost. */
  readonly #storing = new Map<HintQueue, Promise<boolean>>();
  #unstoredBytes = 0;
  #isClosed = false;
  /** Keys that were dropped: no room, too old, or not stored. */
  overflowed = 0;
  expired = 0;
  lost = 0;

  constructor(options: HintLogOptions) {
    this.#options = options;
    this.#limitedLog = new LimitedLog(options.log, options.clock, LOG_PERIOD_MS);
    this.#time = new HintTime(options.clock);
  }

  /** Finds what an earlier start has left. */
  async load(): Promise<void> {
    const { records } = this.#options;
    const onUnreadable = (error: Error): void => this.#tellFault(error);
    for await (const { name, value } of records.scan(OwnPart.hints, undefined, undefined, onUnreadable)) {
      const keptMs = Buffer.compare(name, HINT_TIME_NAME) === 0 ? decodeHintTime(value) : null;
      if (keptMs !== null) {
        this.#time.resume(keptMs);
        continue;
      }
      const parsed = parsePageName(name);
      const page = decodeHintPage(value);
      if (parsed === null || page === null) {
        this.lost++;
        // Where the disk takes nothing now, the next start finds it again.
        await records.delete(OwnPart.hints, name).catch((error: unknown) => this.#tellFault(error));
        continue;
      }
      const { keys, createdMs } = page;
      this.#time.resume(createdMs);
      this.#queueOf(parsed.nodeId).load(parsed.number, createdMs, keys.length, value.length);
    }
    this.#timeKeptMs = this.#time.nowMs();
  }

  get queues(): Iterable<HintQueue> {
    return this.#queues.values();
  }

  get bytes(): number {
    let bytes = 0;
    for (const queue of this.#queues.values()) bytes += queue.bytes;
    return bytes;
  }

  /** How long the oldest has waited; 0: none waits. */
  get oldestMs(): number {
    const created = Array.from(this.#queues.values(), ({ oldestMs }) => oldestMs).filter((ms) => ms !== null);
    return created.length === 0 ? 0 : this.#time.nowMs() - Math.min(...created);
  }

  /** @param nodeId whose replica lacks the key's newest record */
  add(nodeId: string, key: Uint8Array): Noted {
    const queue = this.#queueOf(nodeId);
    if (queue.has(key)) return Noted.known;
    const { clock, maxBytes, nowMs } = this.#options;
    if (this.bytes + key.length > maxBytes || this.#unstoredBytes > MAX_UNSTORED_BYTES) {
      this.overflowed++;
      const sentence = `Hints for node ${nodeId} are dropped, as there is no room for more: anti-entropy will bring it what it lacks`;
      this.#limitedLog.warn('full', sentence);
      return Noted.full;
    }
    if (queue.isFullFor(key)) this.#seal(queue);
    queue.add(key, this.#time.nowMs(), Math.floor(nowMs()));
    this.#timer ??= clock.after(GATHER_MS, () => this.#sealAll());
    return Noted.added;
  }

  /** Resolves when all that was noted for the node is stored, or lost: whether nothing of what was on its way is lost. */
  async stored(nodeId: string): Promise<boolean> {
    const queue = this.#queueOf(nodeId);
    this.#seal(queue);
    return (await this.#storing.get(queue)) ?? true;
  }

  /** The keys of a page that is stored; null: there is no such page, or the disk has lost it. Each of them is noted again from now on. */
  async begin(queue: HintQueue, page: StoredPage): Promise<readonly Uint8Array[] | null> {
    await this.#storing.get(queue);
    let value: Uint8Array | null = null;
    try {
      value = await this.#options.records.get(OwnPart.hints, pageName(queue.nodeId, page.number));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // It would keep back all behind it, and its table from being healed.
      this.#tellFault(error);
    }
    const keys = value === null ? null : (decodeHintPage(value)?.keys ?? null);
    if (keys !== null) queue.release(page, keys);
    else if (queue.holds(page)) {
      this.lost += page.count;
      queue.releaseAll(page);
    }
    return keys;
  }

  /** Only these keys of the page are left. */
  async keep(queue: HintQueue, page: StoredPage, keys: readonly Uint8Array[]): Promise<void> {
    // It was too old meanwhile.
    if (!queue.holds(page)) return;
    const { records } = this.#options;
    const name = pageName(queue.nodeId, page.number);
    if (keys.length === 0) {
      queue.remove(page);
      await records.delete(OwnPart.hints, name);
    } else {
      const value = encodeHintPage(page.createdMs, keys, pageBytesOf(keys));
      queue.shrink(page, keys.length, value.length);
      await records.put(OwnPart.hints, name, value);
    }
  }

  /** Drops the pages that are too old; to be called again and again. */
  async expire(): Promise<void> {
    const nowMs = this.#time.nowMs();
    const oldestMs = nowMs - this.#options.maxAgeMs;
    for (const queue of this.#queues.values()) {
      for (let page = queue.first; page !== undefined && page.createdMs < oldestMs; page = queue.first) {
        if (this.#isClosed) return;
        this.expired += page.count;
        await this.#drop(queue, page);
      }
    }
    if (nowMs - this.#timeKeptMs >= KEEP_TIME_EVERY_MS) await this.#keepTime();
  }

  /** The node is in the cluster no more. Returns how many keys that were. */
  async forget(queue: HintQueue): Promise<number> {
    let keys = 0;
    this.#seal(queue);
    for (let page = queue.first; page !== undefined && !this.#isClosed; page = queue.first) {
      keys += page.count;
      await this.#drop(queue, page);
    }
    this.#queues.delete(queue.nodeId);
    return keys;
  }

  /** Stores what has gathered; nothing is noted any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sealAll();
    await Promise.all(this.#storing.values());
    await this.#keepTime();
  }

  /** Where it cannot be kept, what waits lives a little longer. */
  async #keepTime(): Promise<void> {
    const nowMs = this.#time.nowMs();
    this.#timeKeptMs = nowMs;
    if (this.bytes === 0) return;
    await this.#options.records
      .put(OwnPart.hints, HINT_TIME_NAME, encodeHintTime(nowMs))
      .catch(() => undefined);
  }

  async #drop(queue: HintQueue, page: StoredPage): Promise<void> {
    try {
      // What comes for its keys from now on is noted again.
      await this.begin(queue, page);
      await this.keep(queue, page, []);
    } catch (error) {
      queue.remove(page);
      // The next start drops what this one did not come to.
      if (!this.#isClosed) this.#tellFault(error);
    }
  }

  #queueOf(nodeId: string): HintQueue {
    let queue = this.#queues.get(nodeId);
    if (queue === undefined) {
      queue = new HintQueue(nodeId);
      this.#queues.set(nodeId, queue);
    }
    return queue;
  }

  #sealAll(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const queue of this.#queues.values()) this.#seal(queue);
  }

  #seal(queue: HintQueue): void {
    const sealed = queue.seal();
    if (sealed === null) return;
    const before = this.#storing.get(queue);
    const storing = Promise.all([before, this.#store(queue, sealed)]).then(([wereStored, isStored]) => {
      if (this.#storing.get(queue) === storing) this.#storing.delete(queue);
      return isStored && wereStored !== false;
    });
    this.#storing.set(queue, storing);
  }

  /** @returns false: the page is lost */
  async #store(queue: HintQueue, { page, value }: SealedPage): Promise<boolean> {
    this.#unstoredBytes += value.length;
    try {
      await this.#options.records.put(OwnPart.hints, pageName(queue.nodeId, page.number), value);
      return true;
    } catch (error) {
      this.lost += page.count;
      queue.release(page, decodeHintPage(value)?.keys ?? []);
      queue.remove(page);
      this.#tellFault(error);
      return false;
    } finally {
      this.#unstoredBytes -= value.length;
    }
  }

  #tellFault(error: unknown): void {
    this.#limitedLog.error(
      'fault',
      `Hints are lost, as they cannot be stored or read: ${errorMessage(error)}`,
    );
  }
}

function pageBytesOf(keys: readonly Uint8Array[]): number {
  return keys.reduce((bytes, key) => bytes + hintBytes(key), emptyPageBytes());
}
