/**
 * What was asked of a store and what it has acknowledged, and whether what it holds now is possible: of every
 * key an acknowledged version or a newer one, nothing that was never written, batches whole.
 */
import assert from 'node:assert/strict';
import {
  type KeyedRecord,
  type RecordStore,
  recordTimestamp,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { readRecord } from './engine-calls.ts';
import { pageEntries } from './page-entries.ts';

interface Attempt {
  readonly record: Uint8Array;
  /** -1: no batch. */
  readonly batch: number;
}

interface KeyHistory {
  readonly key: Uint8Array;
  /** By timestamp, which no two writes of a key share. */
  readonly attempts: Map<number, Attempt>;
  /** The newest version the key must have; 0: none. */
  acknowledged: number;
}

/** The newest acknowledged timestamp of each key, at one moment. */
export type Acknowledged = ReadonlyMap<string, number>;

export class EngineHistory {
  readonly #keys = new Map<string, KeyHistory>();
  readonly #batches: (readonly KeyedRecord[])[] = [];
  readonly failures: Error[] = [];

  write(store: RecordStore, key: Uint8Array, record: Uint8Array): Promise<void> {
    this.#attempt(key, record, -1);
    return this.#call([{ key, record }], (sink) => store.write(key, record, sink, 0));
  }

  writeBatch(store: RecordStore, puts: readonly KeyedRecord[]): Promise<void> {
    const batch = this.#batches.push(puts) - 1;
    for (const { key, record } of puts) this.#attempt(key, record, batch);
    return this.#call(puts, (sink) => store.writeBatch(puts, sink, 0));
  }

  acknowledged(): Acknowledged {
    return new Map([...this.#keys].map(([name, { acknowledged }]) => [name, acknowledged]));
  }

  /** @throws AssertionError saying which key shows what it cannot show */
  async check(store: RecordStore, acknowledged: Acknowledged = this.acknowledged()): Promise<void> {
    const found = new Map<string, number>();
    for (const [name, { key, attempts }] of this.#keys) {
      const record = await readRecord(store, key);
      const least = acknowledged.get(name) ?? 0;
      const timestamp = record === null ? 0 : recordTimestamp(record, 0);
      assert.ok(
        timestamp >= least,
        `${text(key)} was acknowledged at ${least}, and is lost: ${timestamp} is there`,
      );
      if (record !== null) {
        const attempt = attempts.get(timestamp);
        assert.ok(attempt !== undefined, `${text(key)} has a version nobody wrote: ${timestamp}`);
        assert.ok(
          Buffer.compare(attempt.record, record) === 0,
          `${text(key)} has other bytes at ${timestamp}`,
        );
      }
      found.set(name, timestamp);
    }
    this.#checkBatches(found);
    await this.#checkRange(store, found);
  }

  #attempt(key: Uint8Array, record: Uint8Array, batch: number): void {
    const name = text(key);
    let history = this.#keys.get(name);
    if (history === undefined) {
      history = { key, attempts: new Map(), acknowledged: 0 };
      this.#keys.set(name, history);
    }
    history.attempts.set(recordTimestamp(record, 0), { record, batch });
  }

  /** Notes the answer in the call of the sink: the earliest moment at which a caller can rely on it. */
  #call(
    puts: readonly KeyedRecord[],
    start: (sink: {
      onWrite(token: number, status: WriteStatus, t: number, w: number, e: Error | null): void;
    }) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      start({
        onWrite: (_token, status, _timestamp, _writer, error) => {
          if (status === WriteStatus.failed) this.failures.push(error as Error);
          else for (const { key, record } of puts) this.#acknowledge(key, record);
          resolve();
        },
      });
    });
  }

  #acknowledge(key: Uint8Array, record: Uint8Array): void {
    const history = this.#keys.get(text(key)) as KeyHistory;
    history.acknowledged = Math.max(history.acknowledged, recordTimestamp(record, 0));
  }

  #checkBatches(found: ReadonlyMap<string, number>): void {
    for (const puts of this.#batches) {
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

  async #checkRange(store: RecordStore, found: ReadonlyMap<string, number>): Promise<void> {
    const scanned: [string, number][] = [];
    let start: Uint8Array = new Uint8Array(0);
    for (let startExclusive = false; ; startExclusive = true) {
      const limits = { end: null, maxBytes: 4096, maxEntries: 1000, includeTombstones: true };
      const page = await store.rangePage({ start, startExclusive, ...limits });
      for (const [key, stored] of pageEntries(page)) scanned.push([text(key), recordTimestamp(stored, 0)]);
      if (page.done || page.resumeAfter === null) break;
      start = page.resumeAfter;
    }
    const expected = [...found].filter(([, timestamp]) => timestamp > 0);
    expected.sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(scanned, expected, 'a scan shows what reads show');
  }
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
