/**
 * Callers of a real engine that write, delete keys and ranges of them, write batches small and large, write on
 * conditions, read and scan at the same time, while a test kills threads or holds snapshots. Each has keys of its own, and every value is checked.
 */
import assert from 'node:assert/strict';
import type { Engine, KeyOperation, LsmError, WriteCondition } from '../../native-free-lsm/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';
import type { EngineLedger } from './engine-ledger.ts';
import { ownValue } from './own-value.ts';

/** How many keys one scan covers. */
const SCANNED_KEYS = 100;
/** The most keys of a large batch. */
const LARGE_BATCH_KEYS = 100;
/** What a batch has beside a value, for each of its keys. */
const BATCH_OVERHEAD_BYTES = 64;
const DAY_MS = 86_400_000;
/** Of the writes. */
const BATCH_SHARE = 0.15;
const CONDITIONAL_SHARE = 0.15;
const LARGE_BATCH_SHARE = 0.02;
const CLEAR_SHARE = 0.02;
/** The most keys that one range tombstone deletes. */
const CLEARED_KEYS = 20;
/** Of the single writes: those that are answered when they are on the disk, and values that end one day. */
const SYNC_SHARE = 0.1;
const TTL_SHARE = 0.1;

export interface TrafficOptions {
  readonly seed: number;
  readonly callers: number;
  readonly keysPerCaller: number;
  readonly maxValueBytes: number;
  /** About the size of a batch of all keys of a caller. */
  readonly largeBatchBytes: number;
  /** The share of the writes that delete. */
  readonly deleteShare: number;
  /** The share of the calls that read one key; half of the rest scan. */
  readonly readShare: number;
  /** The codes of errors with which a call may end; any other fails the traffic. */
  readonly mayFail: readonly string[];
}

export function engineKey(key: number): Buffer {
  return Buffer.from(`key${String(key).padStart(8, '0')}`);
}

export function keyNumberOf(key: Uint8Array): number {
  return Number(Buffer.from(key).toString().slice(3));
}

export class EngineTraffic {
  readonly #engine: Engine;
  readonly #ledger: EngineLedger;
  readonly #options: TrafficOptions;
  /** Rejects when a call shows something wrong; otherwise it does not settle before `stop`. */
  readonly done: Promise<unknown>;
  #stopped = false;
  reads = 0;
  scans = 0;
  writes = 0;
  /** How many calls failed, by code. */
  readonly failures = new Map<string, number>();

  /** Starts at once. */
  constructor(engine: Engine, ledger: EngineLedger, options: TrafficOptions) {
    this.#engine = engine;
    this.#ledger = ledger;
    this.#options = options;
    this.done = Promise.all(Array.from({ length: options.callers }, (_, caller) => this.#call(caller)));
    this.done.catch(() => {
      this.#stopped = true;
    });
  }

  get calls(): number {
    return this.reads + this.scans + this.writes;
  }

  /**
   * Resolves when the running calls have ended.
   * @throws what one of them showed to be wrong
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.done;
  }

  async #call(caller: number): Promise<void> {
    const { keysPerCaller, readShare, seed } = this.#options;
    const random = seededRandom(seed * 1000 + caller);
    const key = (): number => caller * keysPerCaller + Math.floor(random() * keysPerCaller);
    while (!this.#stopped) {
      try {
        const kind = random();
        if (kind < readShare) await this.#read(key());
        else if (kind < readShare + (1 - readShare) * 0.1) await this.#scan(caller, random);
        else await this.#writeSomehow(caller, key, random);
      } catch (error) {
        this.#note(error as LsmError);
        // Refused at once, perhaps: let the others run, and what would end the trouble.
        await new Promise(setImmediate);
      }
    }
  }

  async #read(key: number): Promise<void> {
    const floor = this.#ledger.floor(key);
    const value = await this.#engine.get(engineKey(key));
    this.#ledger.check(key, value, floor);
    this.reads++;
  }

  /** Scans some of a caller's keys. Nobody else writes them, so a missing one must be missing. */
  async #scan(caller: number, random: Random): Promise<void> {
    const { keysPerCaller } = this.#options;
    const skipped = Math.floor(random() * Math.max(1, keysPerCaller - SCANNED_KEYS + 1));
    const first = caller * keysPerCaller + skipped;
    const end = Math.min(first + SCANNED_KEYS, (caller + 1) * keysPerCaller);
    const found = new Map<number, Uint8Array>();
    const bounds = { gte: engineKey(first), lt: engineKey(end) };
    for await (const { key, value } of this.#engine.range(bounds)) found.set(keyNumberOf(key), value);
    for (let key = first; key < end; key++) this.#ledger.check(key, found.get(key));
    this.scans++;
  }

  #writeSomehow(caller: number, key: () => number, random: Random): Promise<void> {
    let kind = random();
    if (kind < BATCH_SHARE) return this.#writeBatch(new Set([key(), key(), key()]), random);
    kind -= BATCH_SHARE;
    if (kind < CONDITIONAL_SHARE) return this.#writeIf(new Set([key(), key()]), random);
    kind -= CONDITIONAL_SHARE;
    if (kind < LARGE_BATCH_SHARE) return this.#writeLargeBatch(caller);
    kind -= LARGE_BATCH_SHARE;
    if (kind < CLEAR_SHARE) return this.#clear(caller, random);
    return this.#write(key(), random);
  }

  async #write(key: number, random: Random): Promise<void> {
    const counter = this.#ledger.next();
    const operation = this.#operation(key, counter, random);
    const sync = random() < SYNC_SHARE;
    const ttl = random() < TTL_SHARE ? { ttlMs: DAY_MS } : {};
    this.#ledger.send(key, counter, operation.type === 'delete');
    if (operation.type === 'put') await this.#engine.put(operation.key, operation.value, { sync, ...ttl });
    else await this.#engine.delete(operation.key, { sync });
    this.#ledger.acknowledge(key, counter);
    this.writes++;
  }

  /** Writes keys if they are as they were read, and then once more, which must not be done. */
  async #writeIf(keys: ReadonlySet<number>, random: Random): Promise<void> {
    const conditions: WriteCondition<Uint8Array>[] = [];
    for (const key of keys) {
      const found = await this.#engine.getVersioned(engineKey(key));
      conditions.push({ key: engineKey(key), version: found?.version ?? null });
    }
    const counter = this.#ledger.next();
    const operations = [...keys].map((key) => this.#operation(key, counter, random));
    this.#ledger.sendBatch(
      counter,
      operations.map(({ key, type }) => ({ key: keyNumberOf(key), deletes: type === 'delete' })),
    );
    const { applied } = await this.#engine.writeIf(conditions, operations);
    // A call that failed may have been carried out all the same, after what it found here was read.
    assert.ok(applied || this.failures.size > 0, 'nobody else writes these keys');
    if (!applied) return;
    for (const key of keys) this.#ledger.acknowledge(key, counter);
    this.writes++;
    if (operations.every(({ type }, i) => type === 'delete' && conditions[i].version === null)) return;
    // Nothing is sent by the ledger: whoever finds this value finds what nobody wrote.
    const refused = this.#ledger.next();
    const again = [...keys].map((key): KeyOperation<Uint8Array> => {
      return { type: 'put', key: engineKey(key), value: ownValue(key, refused, this.#options.maxValueBytes) };
    });
    const second = await this.#engine.writeIf(conditions, again);
    assert.ok(!second.applied, 'the keys have other versions by now');
  }

  async #writeLargeBatch(caller: number): Promise<void> {
    const { keysPerCaller, largeBatchBytes } = this.#options;
    const count = Math.min(keysPerCaller, LARGE_BATCH_KEYS);
    const keys = Array.from({ length: count }, (_, i) => caller * keysPerCaller + i);
    const counter = this.#ledger.next();
    const valueBytes = Math.floor(largeBatchBytes / count) - BATCH_OVERHEAD_BYTES;
    this.#ledger.sendBatch(
      counter,
      keys.map((key) => ({ key, deletes: false })),
    );
    await this.#engine.write(
      keys.map((key) => ({ type: 'put', key: engineKey(key), value: ownValue(key, counter, valueBytes) })),
    );
    for (const key of keys) this.#ledger.acknowledge(key, counter);
    this.writes++;
  }

  /** Deletes some neighbouring keys of a caller by one record. */
  async #clear(caller: number, random: Random): Promise<void> {
    const { keysPerCaller } = this.#options;
    const count = Math.min(keysPerCaller, 1 + Math.floor(random() * CLEARED_KEYS));
    const first = caller * keysPerCaller + Math.floor(random() * (keysPerCaller - count + 1));
    const keys = Array.from({ length: count }, (_, i) => first + i);
    const counter = this.#ledger.next();
    this.#ledger.sendBatch(
      counter,
      keys.map((key) => ({ key, deletes: true })),
    );
    await this.#engine.clear({ gte: engineKey(first), lt: engineKey(first + count) });
    for (const key of keys) this.#ledger.acknowledge(key, counter);
    this.writes++;
  }

  async #writeBatch(keys: ReadonlySet<number>, random: Random): Promise<void> {
    const counter = this.#ledger.next();
    const operations = [...keys].map((key) => this.#operation(key, counter, random));
    this.#ledger.sendBatch(
      counter,
      operations.map(({ key, type }) => ({ key: keyNumberOf(key), deletes: type === 'delete' })),
    );
    await this.#engine.write(operations);
    for (const key of keys) this.#ledger.acknowledge(key, counter);
    this.writes++;
  }

  #operation(key: number, counter: number, random: Random): KeyOperation<Uint8Array> {
    if (random() < this.#options.deleteShare) return { type: 'delete', key: engineKey(key) };
    const bytes = Math.floor(random() * this.#options.maxValueBytes);
    return { type: 'put', key: engineKey(key), value: ownValue(key, counter, bytes) };
  }

  #note(error: LsmError): void {
    if (!this.#options.mayFail.includes(error.code)) throw error;
    this.failures.set(error.code, (this.failures.get(error.code) ?? 0) + 1);
  }
}

/** Checks every key and every batch of an engine at rest. */
export async function settleLedger(engine: Engine, ledger: EngineLedger): Promise<number> {
  const live = await ledger.settle((key) => engine.get(engineKey(key)));
  let scanned = 0;
  for await (const { key, value } of engine.range()) {
    ledger.check(keyNumberOf(key), value);
    scanned++;
  }
  assert.equal(scanned, live, 'a scan shows the keys that reads show');
  return live;
}
