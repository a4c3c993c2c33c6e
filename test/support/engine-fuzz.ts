/**
 * Calls of all kinds to an engine with its real threads and files, many at once, under options drawn anew at each
 * opening: memtables, caches and blocks so small that flushes, compactions and reads from disk go on all the time. Every
 * answer is checked. A seed draws the same calls again; how threads take turns it does not decide.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { toBytes } from '../../native-free-lsm/format/given-bytes.ts';
import {
  type BatchOperation,
  type ConditionalResult,
  Engine,
  EngineReader,
  type LsmError,
  type RangeOptions,
  type Snapshot,
} from '../../native-free-lsm/index.ts';
import { FuzzDraws } from './engine-fuzz-draws.ts';
import { KeyHistories, type Moment } from './key-histories.ts';

const CALLERS = 4;
const MAX_WRITES = 300;
const MAX_READS = 8;
const MAX_HELD = 3;
const SMALL_BATCH = 30;
/** So many of these, and of the pair, are less than half of the smallest memtable. */
const SMALL_VALUE_BYTES = 300;
const ROUND_MS = 5000;
const READER_OPTIONS = { maxRecordBytes: 16 << 10, memtableBytes: 64 << 10, blockCacheBytes: 64 << 10 };
/** An engine rounds the end of a value up, and a read its time down. */
const ROUNDED_MS = 1;

interface FuzzOptions {
  readonly directory: string;
  readonly seed: number;
  readonly durationMs: number;
  /** Told at the end of each opening. */
  readonly log?: (line: string) => void;
}

export interface FuzzCounts {
  openings: number;
  writes: number;
  reads: number;
  scans: number;
  snapshots: number;
  /** Snapshots that were given up. */
  expired: number;
  looksBeside: number;
}

interface Held {
  readonly snapshot: Snapshot;
  readonly entries: ReadonlyMap<number, string>;
}

/** A change of a key by a write: its number in the key's history. */
type Change = readonly [key: number, write: number];

/** Keys by their numbers, and the bounds of just these. */
interface DrawnRange {
  readonly start: number;
  readonly end: number;
  readonly bounds: Pick<RangeOptions, 'gte' | 'lt'>;
}

/** @throws AssertionError or LsmError that says what was wrong */
export async function fuzzEngine(options: FuzzOptions): Promise<FuzzCounts> {
  const fuzz = new EngineFuzz(options);
  const endMs = performance.now() + options.durationMs;
  while (performance.now() < endMs) await fuzz.open(Math.min(endMs, performance.now() + ROUND_MS));
  return fuzz.counts;
}

class EngineFuzz {
  readonly counts: FuzzCounts = {
    openings: 0,
    writes: 0,
    reads: 0,
    scans: 0,
    snapshots: 0,
    expired: 0,
    looksBeside: 0,
  };
  readonly #options: FuzzOptions;
  readonly #draw: FuzzDraws;
  readonly #keys: readonly Buffer[];
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #pair: readonly number[];
  readonly #histories: KeyHistories;
  readonly #writes = new Set<Promise<void>>();
  readonly #reads = new Set<Promise<void>>();
  readonly #held: Held[] = [];
  #engine!: Engine;
  #reader: EngineReader | undefined;
  #isLooking = false;
  /** The first that went wrong in a call that nobody waits for at the moment. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#draw = new FuzzDraws(options.seed);
    const { names } = this.#draw;
    this.#keys = names.map(bytesOf);
    this.#indexes = new Map(names.map((name, index) => [name, index]));
    this.#pair = this.#draw.pair;
    this.#histories = new KeyHistories(names);
  }

  /** Opens the engine, uses it for some time, and closes it. */
  async open(untilMs: number): Promise<void> {
    this.counts.openings++;
    this.#engine = await Engine.open(this.#options.directory, this.#draw.options());
    await this.#scan({}, 'after the opening');
    const call = async (): Promise<void> => {
      while (performance.now() < untilMs && this.#failure === undefined) await this.#step();
    };
    await Promise.all(Array.from({ length: CALLERS }, call));
    await this.#settle();
    for (const { snapshot } of this.#held.splice(0)) snapshot.release();
    await this.#scan({}, 'before the close');
    for (let key = 0; key < this.#keys.length; key++) this.#getSync(key);
    await this.#reader?.close();
    this.#reader = undefined;
    await this.#engine.close();
    this.#histories.forget();
    this.#options.log?.(JSON.stringify(this.counts));
  }

  async #step(): Promise<void> {
    const burst = this.#draw.chance(0.5) ? 1 : this.#draw.below(80);
    for (let i = 0; i < burst && this.#writes.size < MAX_WRITES; i++) this.#write();
    for (let i = this.#draw.below(6); i > 0; i--) await this.#beside(() => this.#get());
    if (this.#draw.chance(0.2)) await this.#beside(() => this.#drawScan());
    if (this.#draw.chance(0.05)) await this.#useSnapshot();
    if (this.#draw.chance(0.05)) await this.#beside(() => this.#lookBeside());
    if (this.#draw.chance(0.01)) await this.#beside(() => this.#engine.flush());
    if (this.#draw.chance(0.003)) await this.#beside(() => this.#engine.compact());
    if (this.#draw.chance(0.01)) await this.#beside(() => this.#engine.sync());
    if (this.#draw.chance(0.05)) await Promise.all(this.#writes);
    else await delay(this.#draw.below(this.#draw.chance(0.7) ? 2 : 25));
  }

  /** Has a call go on beside others, unless there are many. */
  async #beside(call: () => Promise<void>): Promise<void> {
    const reading = this.#watch(call(), this.#reads);
    if (this.#reads.size > MAX_READS) await reading;
  }

  #watch(call: Promise<void>, among: Set<Promise<void>>): Promise<void> {
    const watched = call
      .catch((error) => {
        this.#failure ??= { error };
      })
      .finally(() => among.delete(watched));
    among.add(watched);
    return watched;
  }

  async #settle(): Promise<void> {
    while (this.#reads.size + this.#writes.size > 0) await Promise.all([...this.#reads, ...this.#writes]);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #write(): void {
    this.counts.writes++;
    const chance = this.#draw.below(200);
    const key = this.#draw.written();
    if (chance < 70) this.#put(key);
    else if (chance < 76) this.#putForSomeTime();
    else if (chance < 100) this.#ask(this.#engine.delete(this.#keys[key]), [this.#change(key, null)]);
    else if (chance < 184) this.#batch();
    else if (chance < 198) this.#putIfAbsent(key);
    else this.#clear();
  }

  #put(key: number): void {
    const value = this.#draw.value();
    this.#ask(this.#engine.put(this.#keys[key], bytesOf(value)), [this.#change(key, value)]);
  }

  /** Nothing asks of these keys whether they are there. */
  #putForSomeTime(): void {
    const key = this.#draw.expiring();
    const value = this.#draw.value();
    const ttlMs = 1 + this.#draw.below(this.#draw.chance(0.5) ? 30 : 2000);
    const beganMs = Date.now();
    const putting = this.#engine.put(this.#keys[key], bytesOf(value), { ttlMs });
    const [from, by] = [beganMs + ttlMs - ROUNDED_MS, Date.now() + ttlMs + ROUNDED_MS];
    this.#ask(putting, [[key, this.#histories.ask(key, value, from, by)]]);
  }

  #batch(): void {
    const operations: BatchOperation[] = [];
    const changes: Change[] = [];
    const add = (key: number, value: string | null, at: number): void => {
      const named = { key: this.#keys[key] };
      const operation: BatchOperation =
        value === null ? { type: 'delete', ...named } : { type: 'put', ...named, value: bytesOf(value) };
      operations.splice(at, 0, operation);
      changes.push(this.#change(key, value));
    };
    const count = this.#draw.chance(0.03) ? 600 : 1 + this.#draw.below(30);
    const first = this.#draw.written();
    const isInOrder = this.#draw.chance(0.3);
    // One that is too large for a memtable deletes no ranges.
    const clearAt = this.#draw.chance(0.15) && count < SMALL_BATCH ? this.#draw.below(count) : -1;
    const mostBytes = clearAt < 0 ? undefined : SMALL_VALUE_BYTES;
    for (let i = 0; i < count; i++) {
      const key = isInOrder ? this.#draw.writtenFrom(first + i) : this.#draw.written();
      add(key, this.#draw.chance(0.2) ? null : this.#draw.value(mostBytes), operations.length);
      const range = i === clearAt ? this.#drawRange() : undefined;
      // The batch gives the pair one value, wherever its operations on them are.
      if (range === undefined || this.#pair.some((one) => range.start <= one && one < range.end)) continue;
      operations.push({ type: 'clear', ...range.bounds });
      changes.push(...this.#changesOf(range));
    }
    const shared = this.#draw.chance(0.1) ? null : this.#draw.value(mostBytes);
    for (const key of this.#pair) add(key, shared, this.#draw.below(operations.length + 1));
    this.#ask(this.#engine.write(operations), changes);
  }

  #putIfAbsent(key: number): void {
    const isAbsent = this.#histories.isAbsent(key);
    const value = this.#draw.value();
    const checked = (result: ConditionalResult): void =>
      assert.equal(
        result.applied,
        isAbsent,
        `a put of ${this.#keys[key].toString('latin1')} if it is absent`,
      );
    const putting = this.#engine.putIf(this.#keys[key], bytesOf(value), null).then(checked);
    this.#ask(putting, isAbsent ? [this.#change(key, value)] : []);
  }

  /** A range that has none or both of the pair. */
  #clear(): void {
    const [one, other] = this.#pair;
    const range = this.#drawRange();
    const { bounds, end, start } = range;
    if ((start <= one && one < end) !== (start <= other && other < end)) return;
    const changes = this.#changesOf(range);
    this.#ask(this.#engine.clear(bounds), changes);
  }

  #drawRange(): DrawnRange {
    const start = this.#draw.below(this.#keys.length);
    const most = this.#draw.chance(0.2) ? this.#keys.length : 60;
    const end = Math.min(this.#keys.length, start + 1 + this.#draw.below(most));
    const lt = end < this.#keys.length ? { lt: this.#keys[end] } : {};
    return { start, end, bounds: { gte: this.#keys[start], ...lt } };
  }

  #changesOf({ end, start }: DrawnRange): Change[] {
    return Array.from({ length: end - start }, (_, at) => this.#change(start + at, null));
  }

  #change(key: number, value: string | null): Change {
    return [key, this.#histories.ask(key, value)];
  }

  #ask(writing: Promise<void>, changes: readonly Change[]): void {
    const answered = writing.then(() => {
      for (const [key, write] of changes) this.#histories.answer(key, write);
    });
    this.#watch(answered, this.#writes);
  }

  async #get(): Promise<void> {
    this.counts.reads++;
    const way = this.#draw.below(3);
    if (way === 0) return this.#getSync(this.#draw.read());
    const keys = Array.from({ length: way === 1 ? 1 : 1 + this.#draw.below(20) }, () => this.#draw.read());
    const answered = keys.map((key) => this.#histories.answeredOf(key));
    const beganMs = Date.now() - ROUNDED_MS;
    const asked = keys.map((key) => this.#keys[key]);
    const found = way === 1 ? [await this.#engine.get(asked[0])] : await this.#engine.getMany(asked);
    const time = { beganMs, endedMs: Date.now() + ROUNDED_MS };
    const what = way === 1 ? 'get' : 'getMany';
    for (const [at, key] of keys.entries())
      this.#histories.check(key, answered[at], textOf(found[at]), time, what);
  }

  #getSync(key: number): void {
    const beganMs = Date.now() - ROUNDED_MS;
    const answered = this.#histories.answeredOf(key);
    const found = textOf(this.#engine.getSync(this.#keys[key]));
    this.#histories.check(key, answered, found, { beganMs, endedMs: Date.now() + ROUNDED_MS }, 'getSync');
  }

  async #drawScan(): Promise<void> {
    const reverse = this.#draw.chance(0.4);
    if (this.#draw.chance(0.2)) {
      const prefix = this.#keys[this.#draw.below(this.#keys.length)].subarray(0, 1 + this.#draw.below(4));
      return this.#scan({ reverse, gte: prefix, ...below(prefix) }, 'a scan of a prefix');
    }
    const first = this.#draw.below(this.#keys.length);
    const last = first + this.#draw.below(this.#keys.length - first);
    const bounds = this.#draw.chance(0.3) ? {} : { gte: this.#keys[first], lte: this.#keys[last] };
    return this.#scan({ reverse, ...bounds }, 'a scan');
  }

  async #scan(options: RangeOptions, what: string): Promise<void> {
    const answered = this.#histories.answered();
    const beganMs = Date.now() - ROUNDED_MS;
    const found = await this.#entriesOf(this.#engine, options);
    this.#checkEntries(
      found,
      answered,
      beganMs,
      options,
      `${what} ${options.reverse ? 'backwards' : 'forwards'}`,
    );
  }

  #checkEntries(
    found: ReadonlyMap<number, string>,
    answered: Moment,
    beganMs: number,
    { gte, lt, lte }: RangeOptions,
    what: string,
  ): void {
    const time = { beganMs, endedMs: Date.now() + ROUNDED_MS };
    for (const [index, key] of this.#keys.entries()) {
      if (gte !== undefined && Buffer.compare(key, toBytes(gte)) < 0) continue;
      if (lt !== undefined && Buffer.compare(key, toBytes(lt)) >= 0) continue;
      if (lte !== undefined && Buffer.compare(key, toBytes(lte)) > 0) continue;
      this.#histories.check(index, answered[index], found.get(index) ?? null, time, what);
    }
  }

  /** Reads all of a range, few entries at a time or many. */
  async #entriesOf(
    engine: Pick<Engine, 'range'>,
    options: RangeOptions,
  ): Promise<ReadonlyMap<number, string>> {
    this.counts.scans++;
    const found = new Map<number, string>();
    const step = 1 + this.#draw.below(this.#draw.chance(0.5) ? 5 : 300);
    await using scan = engine.range(options);
    let last = options.reverse ? this.#keys.length : -1;
    for (;;) {
      const entries = this.#draw.chance(0.3) ? scan.nextManySync(step) : await scan.nextMany(step);
      for (const { key, value } of entries) {
        const index = this.#indexes.get(textOf(key) as string);
        assert.ok(index !== undefined, `a scan shows a key that nobody has written: ${textOf(key)}`);
        assert.ok(options.reverse ? index < last : index > last, 'a scan goes on in one direction');
        last = index;
        found.set(index, textOf(value) as string);
      }
      if (entries.length < step) return found;
      if (this.#draw.chance(0.05)) await turn();
    }
  }

  /** Takes a snapshot, or looks at one again: it shows what it showed, but for values that have ended. */
  async #useSnapshot(): Promise<void> {
    if (this.#held.length < MAX_HELD && this.#draw.chance(0.5)) {
      this.counts.snapshots++;
      const answered = this.#histories.answered();
      const takenMs = Date.now() - ROUNDED_MS;
      const snapshot = this.#engine.snapshot();
      await this.#isShown(async () => {
        const entries = await this.#entriesOf(this.#engine, { snapshot, reverse: this.#draw.chance(0.5) });
        this.#checkEntries(entries, answered, takenMs, {}, 'a snapshot');
        this.#checkPair(entries);
        this.#held.push({ snapshot, entries });
      });
      return;
    }
    if (this.#held.length === 0) return;
    const [held] = this.#held.splice(this.#draw.below(this.#held.length), 1);
    const { entries, snapshot } = held;
    const isThere = await this.#isShown(async () => {
      const found = this.#draw.chance(0.5)
        ? await this.#entriesOf(this.#engine, { snapshot, reverse: this.#draw.chance(0.5) })
        : await this.#someOf(snapshot, entries);
      this.#checkSame(entries, found, 'a snapshot that is read again');
    });
    if (isThere && this.#draw.chance(0.6)) this.#held.push(held);
    else snapshot.release();
  }

  /** Of a snapshot some keys one by one, and all others as they were. */
  async #someOf(
    snapshot: Snapshot,
    entries: ReadonlyMap<number, string>,
  ): Promise<ReadonlyMap<number, string>> {
    const found = new Map(entries);
    for (let i = 0; i < 20; i++) {
      const key = this.#draw.read();
      const bytes = this.#keys[key];
      const value = this.#draw.chance(0.5)
        ? this.#engine.getSync(bytes, snapshot)
        : await this.#engine.get(bytes, snapshot);
      found.delete(key);
      if (value !== undefined) found.set(key, textOf(value) as string);
    }
    return found;
  }

  #checkSame(before: ReadonlyMap<number, string>, now: ReadonlyMap<number, string>, what: string): void {
    for (const [key, value] of now)
      assert.equal(value, before.get(key), `${what}: ${this.#keys[key].toString('latin1')}`);
    for (const key of before.keys())
      assert.ok(
        now.has(key) || this.#draw.isExpiring(key),
        `${what} lacks ${this.#keys[key].toString('latin1')}`,
      );
  }

  #checkPair(entries: ReadonlyMap<number, string>): void {
    const [one, other] = this.#pair;
    assert.equal(entries.get(one), entries.get(other), 'a batch shows as a whole');
  }

  /** Whether a snapshot could be read; it may be given up meanwhile. */
  async #isShown(look: () => Promise<void>): Promise<boolean> {
    try {
      await look();
      return true;
    } catch (error) {
      if ((error as LsmError).code !== 'SNAPSHOT_EXPIRED') throw error;
      this.counts.expired++;
      return false;
    }
  }

  /** By a reader of the folder, which stays open for some time: it shows one moment, until it is refreshed. */
  async #lookBeside(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.counts.looksBeside++;
    try {
      const answered = this.#histories.answered();
      const beganMs = Date.now() - ROUNDED_MS;
      if (this.#reader === undefined)
        this.#reader = await EngineReader.open(this.#options.directory, READER_OPTIONS);
      else await this.#reader.refresh();
      const entries = await this.#entriesOf(this.#reader, { reverse: this.#draw.chance(0.5) });
      this.#checkEntries(entries, answered, beganMs, {}, 'a reader beside the engine');
      this.#checkPair(entries);
      const again = await this.#entriesOf(this.#reader, { reverse: this.#draw.chance(0.5) });
      this.#checkSame(entries, again, 'a reader that is not refreshed');
    } catch (error) {
      // The writer did more meanwhile than can be followed.
      if ((error as LsmError).code !== 'CHANGING') throw error;
    } finally {
      this.#isLooking = false;
    }
    if (this.#draw.chance(0.9)) return;
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}

/** The end of all keys that begin with a prefix. */
function below(prefix: Uint8Array): Pick<RangeOptions, 'lt'> {
  const at = prefix.findLastIndex((byte) => byte < 0xff);
  if (at < 0) return {};
  const lt = Buffer.from(prefix.subarray(0, at + 1));
  lt[at]++;
  return { lt };
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function textOf(bytes: Uint8Array): string;
function textOf(bytes: Uint8Array | undefined): string | null;
function textOf(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined
    ? null
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
