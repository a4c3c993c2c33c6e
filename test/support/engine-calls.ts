/**
 * The engine's calls as promises. They also assert that each sink is called once, because every caller relies on that.
 */
import assert from 'node:assert/strict';
import { encodeRecord } from '../../native-free-lsm/format/record.ts';
import type { ReadSink, WriteSink, WriteStatus } from '../../native-free-lsm/index.ts';
import type { StorageEngine } from '../../src/replica/storage-engine.ts';

export interface WriteResult {
  readonly status: WriteStatus;
  readonly metTimestamp: number;
  readonly metWriter: number;
  readonly error: Error | null;
}

export interface ReadResult {
  readonly record: Uint8Array | null;
  readonly error: Error | null;
}

class Calls implements ReadSink, WriteSink {
  readonly #reads = new Map<number, (result: ReadResult) => void>();
  readonly #writes = new Map<number, (result: WriteResult) => void>();
  #nextToken = 1;

  read(engine: StorageEngine, key: Uint8Array): Promise<ReadResult> {
    const { promise, resolve } = Promise.withResolvers<ReadResult>();
    const token = this.#nextToken++;
    this.#reads.set(token, resolve);
    engine.read(key, this, token);
    return promise;
  }

  write(engine: StorageEngine, key: Uint8Array, record: Uint8Array, timeoutMs: number): Promise<WriteResult> {
    const { promise, resolve } = Promise.withResolvers<WriteResult>();
    const token = this.#nextToken++;
    this.#writes.set(token, resolve);
    engine.write(key, record, this, token, timeoutMs);
    return promise;
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    const resolve = this.#reads.get(token);
    assert.ok(resolve !== undefined, `read ${token} was answered twice or never asked`);
    this.#reads.delete(token);
    resolve({ record, error });
  }

  onWrite(
    token: number,
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): void {
    const resolve = this.#writes.get(token);
    assert.ok(resolve !== undefined, `write ${token} was answered twice or never asked`);
    this.#writes.delete(token);
    resolve({ status, metTimestamp, metWriter, error });
  }
}

const calls = new Calls();

export function readResult(engine: StorageEngine, key: Uint8Array): Promise<ReadResult> {
  return calls.read(engine, key);
}

/** @throws what the engine reported */
export async function readRecord(engine: StorageEngine, key: Uint8Array): Promise<Uint8Array | null> {
  const { record, error } = await calls.read(engine, key);
  if (error !== null) throw error;
  return record;
}

export function writeRecordTo(
  engine: StorageEngine,
  key: Uint8Array,
  record: Uint8Array,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<WriteResult> {
  return calls.write(engine, key, record, timeoutMs);
}

/** A record without expiry; a null value makes a tombstone. */
export function record(timestamp: number, value: string | Uint8Array | null, writer = 1): Uint8Array {
  const fields = { timestamp, writer, tombstone: value === null, from: 3, expiryMs: 0 };
  return encodeRecord(fields, typeof value === 'string' ? Buffer.from(value) : (value ?? new Uint8Array(0)));
}
