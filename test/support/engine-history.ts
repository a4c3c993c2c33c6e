/**
 * Records what a store was asked, in order, and what it has acknowledged, and checks whether what it holds now is
 * possible: of every key an acknowledged version or a newer one, nothing that was never written, and batches as a
 * whole. When no write has failed, it holds exactly the writes up to some moment and none after it.
 */
import assert from 'node:assert/strict';
import {
  type KeyCondition,
  type KeyedRecord,
  type RecordStore,
  recordTimestamp,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { readRecord, readResult } from './engine-calls.ts';
import { pageEntries } from './page-entries.ts';

interface Write {
  /** None once it is known that its conditions were not met. */
  puts: readonly KeyedRecord[];
  acknowledged: boolean;
  /** By the clock of the history. */
  acknowledgedMs: number;
}

/** The newest version of each key; 0: none. */
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
    for (const { puts } of this.#writes.slice(0, count)) {
      fork.#remember({ puts, acknowledged: true, acknowledgedMs: Number.NEGATIVE_INFINITY });
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
    const differing = new Set([...found.keys()].filter((key) => found.get(key) !== (versions.get(key) ?? 0)));
    let there = differing.size === 0 ? least : -1;
    for (let count = least; count < issued; count++) {
      for (const { key, record } of this.#writes[count].puts) {
        const name = text(key);
        const newest = Math.max(versions.get(name) ?? 0, recordTimestamp(record, 0));
        versions.set(name, newest);
        if (found.get(name) === newest) differing.delete(name);
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
      found.set(name, record === null ? 0 : recordTimestamp(record, 0));
    }
    await checkScan(store, found);
    return found;
  }

  #checkRecord(name: string, record: Uint8Array | null, least: number): void {
    const timestamp = record === null ? 0 : recordTimestamp(record, 0);
    assert.ok(timestamp >= least, `${name} was acknowledged at ${least}, and is lost: ${timestamp} is there`);
    if (record === null) return;
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
        timestamp >= version,
        `${name} was acknowledged at ${version}, and is lost: ${timestamp} is there`,
      );
    }
    for (const { puts } of this.#writes) {
      const isThere = puts.some(({ key, record }) => found.get(text(key)) === recordTimestamp(record, 0));
      if (!isThere) continue;
      for (const { key, record } of puts) {
        const timestamp = found.get(text(key)) as number;
        assert.ok(
          timestamp >= recordTimestamp(record, 0),
          `half of a batch: ${text(key)} is at ${timestamp}`,
        );
      }
    }
  }

  #versions(writes: readonly Write[]): Versions {
    const versions: Versions = new Map();
    for (const { puts } of writes) {
      for (const { key, record } of puts) {
        const name = text(key);
        versions.set(name, Math.max(versions.get(name) ?? 0, recordTimestamp(record, 0)));
      }
    }
    return versions;
  }

  /** Notes the answer during the call of the sink, the earliest moment at which a caller can rely on it. */
  #call(
    puts: readonly KeyedRecord[],
    start: (sink: {
      onWrite(token: number, status: WriteStatus, t: number, w: number, e: Error | null): void;
    }) => void,
    isDurable = false,
  ): Promise<void> {
    const write: Write = { puts, acknowledged: false, acknowledgedMs: Number.POSITIVE_INFINITY };
    this.#remember(write);
    const count = this.#writes.length;
    return new Promise((resolve) => {
      start({
        onWrite: (_token, status, _timestamp, _writer, error) => {
          if (status === WriteStatus.failed) this.failures.push(error as Error);
          else {
            if (status === WriteStatus.unmet) write.puts = [];
            if (isDurable) this.durable = Math.max(this.durable, count);
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
  }
}

async function checkScan(store: RecordStore, found: Versions): Promise<void> {
  const scanned: [string, number][] = [];
  let start: Uint8Array = new Uint8Array(0);
  const limits = { end: null, maxBytes: 4096, maxEntries: 1000 };
  for (;;) {
    const page = await store.rangePage({ start, ...limits, includeTombstones: true, encoder: 0, nowMs: 0 });
    for (const [key, stored] of pageEntries(page)) scanned.push([text(key), recordTimestamp(stored, 0)]);
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
