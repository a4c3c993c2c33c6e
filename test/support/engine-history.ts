/**
 * Records what a store was asked, in order, and what it has acknowledged, and checks whether what it holds now is
 * possible: of every key an acknowledged version or a newer one, nothing that was never written, and batches as a
 * whole. When no write has failed, it holds exactly the writes up to some moment and none after it.
 */
import assert from 'node:assert/strict';
import {
  isTombstone,
  type KeyCondition,
  type KeyedRecord,
  type RecordStore,
  recordTimestamp,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import type { ScanRange } from '../../native-free-lsm/iterator/key-range.ts';
import { readRecord, readResult } from './engine-calls.ts';
import { pageEntries } from './page-entries.ts';

/** A deletion of a range. */
interface Clear {
  readonly range: ScanRange;
  readonly timestamp: number;
}

interface Write {
  /** None once it is known that its conditions were not met. */
  puts: readonly KeyedRecord[];
  readonly clear?: Clear;
  acknowledged: boolean;
  /** By the clock of the history. */
  acknowledgedMs: number;
}

/** The newest version of each key, that of a deletion of a range included; 0: none. */
export type Versions = Map<string, number>;

export class EngineHistory {
  readonly failures: Error[] = [];
  /** Reads that got an error: a disk that fails a write must still be readable. */
  readonly readFailures: Error[] = [];
  /** This many writes are certainly on the disk, whatever the durability: noted by a caller who had them flushed. */
  durable = 0;
  readonly #nowMs: () => number;
  readonly #writes: Write[] = [];
  readonly #keys = new Map<string, Uint8Array>();
  /** By timestamp. */
  readonly #clears = new Map<number, Clear>();
  #acknowledged = 0;

  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  write(store: RecordStore, key: Uint8Array, record: Uint8Array): Promise<void> {
    return this.#call([{ key, record }], (sink) => store.write(key, record, sink, 0));
  }

  writeBatch(store: RecordStore, puts: readonly KeyedRecord[]): Promise<void> {
    return this.#call(puts, (sink) => store.writeBatch(puts, sink, 0));
  }

  /** A batch that is on the disk, with all that was written before, when it is acknowledged. */
  writeSynced(store: RecordStore, puts: readonly KeyedRecord[]): Promise<void> {
    return this.#call(puts, (sink) => store.writeBatch(puts, sink, 0, true), true);
  }

  /** A batch that is there only if its conditions are met: what becomes of it is for the store to say. */
  writeIf(
    store: RecordStore,
    conditions: readonly KeyCondition[],
    puts: readonly KeyedRecord[],
  ): Promise<void> {
    return this.#call(puts, (sink) => store.writeIf(conditions, puts, sink, 0));
  }

  /** Deletes a range in a version that is newer than all that were handed over before. */
  clear(store: RecordStore, range: ScanRange, timestamp: number): Promise<void> {
    return this.#call([], (sink) => store.clear(range, timestamp, sink, 0), false, { range, timestamp });
  }

  /** Reads a key and checks that it shows what is acknowledged, or something newer that was written. */
  async read(store: RecordStore, key: Uint8Array): Promise<void> {
    const least = this.acknowledgedVersions().get(text(key)) ?? 0;
    const { record, error } = await readResult(store, key);
    if (error !== null) this.readFailures.push(error);
    else this.#checkRecord(text(key), record, least);
  }

  /** How many writes were handed over so far. */
  get issued(): number {
    return this.#writes.length;
  }

  /** How many writes come before the first that is not acknowledged. */
  get acknowledged(): number {
    while (this.#writes[this.#acknowledged]?.acknowledged) this.#acknowledged++;
    return this.#acknowledged;
  }

  /** How many writes come before the first that was acknowledged after `ms`, or not at all. */
  acknowledgedBy(ms: number): number {
    let count = this.acknowledged;
    while (count > 0 && this.#writes[count - 1].acknowledgedMs > ms) count--;
    return count;
  }

  /** A separate history that begins with the first `count` writes, for another life of the store. */
  fork(count: number, nowMs: () => number = () => 0): EngineHistory {
    const fork = new EngineHistory(nowMs);
    for (const { puts, clear } of this.#writes.slice(0, count)) {
      const settled = { acknowledged: true, acknowledgedMs: Number.NEGATIVE_INFINITY };
      fork.#remember({ puts, ...settled, ...(clear !== undefined && { clear }) });
    }
    fork.durable = count;
    return fork;
  }

  /** The newest version of each key that is acknowledged now. */
  acknowledgedVersions(): Versions {
    return this.#versions(this.#writes.filter((write) => write.acknowledged));
  }

  /**
   * @param least the version that each key must have at least
   * @throws AssertionError that says which key shows what it must not show
   */
  async check(store: RecordStore, least: Versions = this.acknowledgedVersions()): Promise<void> {
    this.#checkKeys(await this.#found(store), least);
  }

  /**
   * For a history without failures, whose writes are on the disk in the order of the calls.
   * @param least how many writes must be there at least
   * @param issued how many may be there at most
   * @returns how many are there; a write that changes nothing that can be read counts as there
   * @throws AssertionError that says which key shows what it must not show
   */
  async checkPrefix(store: RecordStore, least: number, issued: number): Promise<number> {
    const found = await this.#found(store);
    this.#checkKeys(found, this.#versions(this.#writes.slice(0, least)));
    const versions = this.#versions(this.#writes.slice(0, least));
    const isShown = (key: string): boolean => found.get(key) === this.#shown(versions.get(key) ?? 0);
    const differing = new Set([...found.keys()].filter((key) => !isShown(key)));
    let there = differing.size === 0 ? least : -1;
    for (let count = least; count < issued; count++) {
      for (const name of this.#raise(versions, this.#writes[count])) {
        if (isShown(name)) differing.delete(name);
        else differing.add(name);
      }
      if (differing.size === 0) there = count + 1;
    }
    assert.ok(there >= 0, `a middle is lost: the writes there are not the first of those handed over`);
    return there;
  }

  /** Reads every key, alone and in a scan. */
  async #found(store: RecordStore): Promise<Versions> {
    const found: Versions = new Map();
    for (const [name, key] of this.#keys) {
      const record = await readRecord(store, key);
      this.#checkRecord(name, record, 0);
      found.set(name, record === null ? 0 : this.#shown(recordTimestamp(record, 0)));
    }
    await checkScan(store, found, (timestamp) => this.#shown(timestamp));
    return found;
  }

  /** What a read shows of a version: nothing where a range was deleted, but perhaps a deletion of its first key. */
  #shown(timestamp: number): number {
    return this.#clears.has(timestamp) ? 0 : timestamp;
  }

  /** Whether what a read has shown may be of a version from `least` on. */
  #isAtLeast(name: string, shown: number, least: number): boolean {
    if (shown >= least) return true;
    const mayHide = ({ range, timestamp }: Clear): boolean => timestamp >= least && isIn(name, range);
    return shown === 0 && [...this.#clears.values()].some(mayHide);
  }

  #checkRecord(name: string, record: Uint8Array | null, least: number): void {
    const timestamp = record === null ? 0 : this.#shown(recordTimestamp(record, 0));
    assert.ok(
      this.#isAtLeast(name, timestamp, least),
      `${name} was acknowledged at ${least}, and is lost: ${timestamp} is there`,
    );
    if (record === null) return;
    if (timestamp === 0) {
      const clear = this.#clears.get(recordTimestamp(record, 0)) as Clear;
      assert.ok(isTombstone(record, 0) && isIn(name, clear.range), `${name} is not what was deleted`);
      return;
    }
    const written = this.#record(name, timestamp);
    assert.ok(written !== undefined, `${name} has a version nobody wrote: ${timestamp}`);
    assert.ok(Buffer.compare(written, record) === 0, `${name} has other bytes at ${timestamp}`);
  }

  #record(name: string, timestamp: number): Uint8Array | undefined {
    for (const { puts } of this.#writes) {
      for (const { key, record } of puts) {
        if (recordTimestamp(record, 0) === timestamp && text(key) === name) return record;
      }
    }
    return undefined;
  }

  #checkKeys(found: Versions, least: Versions): void {
    for (const [name, timestamp] of found) {
      const version = least.get(name) ?? 0;
      assert.ok(
        this.#isAtLeast(name, timestamp, version),
        `${name} was acknowledged at ${version}, and is lost: ${timestamp} is there`,
      );
    }
    for (const { puts } of this.#writes) {
      const isThere = puts.some(({ key, record }) => found.get(text(key)) === recordTimestamp(record, 0));
      if (!isThere) continue;
      for (const { key, record } of puts) {
        const timestamp = found.get(text(key)) as number;
        assert.ok(
          this.#isAtLeast(text(key), timestamp, recordTimestamp(record, 0)),
          `half of a batch: ${text(key)} is at ${timestamp}`,
        );
      }
    }
  }

  #versions(writes: readonly Write[]): Versions {
    const versions: Versions = new Map();
    for (const write of writes) this.#raise(versions, write);
    return versions;
  }

  /** Adds a write to the versions, and returns the keys that it is about. */
  #raise(versions: Versions, { clear, puts }: Write): string[] {
    const raised: [string, number][] = puts.map(({ key, record }) => [text(key), recordTimestamp(record, 0)]);
    if (clear !== undefined)
      for (const name of this.#keys.keys()) if (isIn(name, clear.range)) raised.push([name, clear.timestamp]);
    for (const [name, timestamp] of raised) versions.set(name, Math.max(versions.get(name) ?? 0, timestamp));
    return raised.map(([name]) => name);
  }

  /** Notes the answer during the call of the sink, the earliest moment at which a caller can rely on it. */
  #call(
    puts: readonly KeyedRecord[],
    start: (sink: {
      onWrite(token: number, status: WriteStatus, t: number, w: number, e: Error | null): void;
    }) => void,
    isDurable = false,
    clear?: Clear,
  ): Promise<void> {
    const pending = { acknowledged: false, acknowledgedMs: Number.POSITIVE_INFINITY };
    const write: Write = { puts, ...pending, ...(clear !== undefined && { clear }) };
    this.#remember(write);
    const count = this.#writes.length;
    return new Promise((resolve) => {
      start({
        onWrite: (_token, status, _timestamp, _writer, error) => {
          if (status === WriteStatus.failed) this.failures.push(error as Error);
          else {
            if (status === WriteStatus.unmet) write.puts = [];
            if (isDurable) this.durable = Math.max(this.durable, count);
            assert.ok(
              clear === undefined || status === WriteStatus.applied,
              'a range that is newer than all',
            );
            write.acknowledged = true;
            write.acknowledgedMs = this.#nowMs();
          }
          resolve();
        },
      });
    });
  }

  #remember(write: Write): void {
    this.#writes.push(write);
    for (const { key } of write.puts) this.#keys.set(text(key), key);
    if (write.clear !== undefined) this.#clears.set(write.clear.timestamp, write.clear);
  }
}

function isIn(name: string, { start, end }: ScanRange): boolean {
  return name >= text(start) && (end === null || name < text(end));
}

async function checkScan(
  store: RecordStore,
  found: Versions,
  shown: (timestamp: number) => number,
): Promise<void> {
  const scanned: [string, number][] = [];
  let start: Uint8Array = new Uint8Array(0);
  const limits = { end: null, maxBytes: 4096, maxEntries: 1000 };
  for (;;) {
    const page = await store.rangePage({ start, ...limits, includeTombstones: true, encoder: 0, nowMs: 0 });
    for (const [key, stored] of pageEntries(page)) {
      const timestamp = shown(recordTimestamp(stored, 0));
      if (timestamp > 0) scanned.push([text(key), timestamp]);
    }
    if (page.resumeAt === null) break;
    start = page.resumeAt;
  }
  const expected = [...found].filter(([, timestamp]) => timestamp > 0);
  expected.sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(scanned, expected, 'a scan shows what reads show');
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
