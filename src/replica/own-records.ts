/**
 * The node's own records: what it has to remember durably for itself, in its engine beside the clients' records. Their
 * keys begin with a byte that UTF-8 never has, so no client can have them; they are no copies of anything, so their
 * `from` is 0; peers' writes to them are refused (replica.ts), and clients' scans end before them. FORMAT.md draws them.
 * This is the only door to them.
 *
 * Each write has a later version than anything in the store had when it was made. So versions rise without a clock, also
 * after a restart, and they never run ahead of the clients' versions, which would make the engine look up old records for
 * every write of a client.
 */
import {
  copyBytes,
  encodeRecord,
  isTombstone,
  type ReadSink,
  recordValueStart,
  type WriteSink,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { QuorateError } from '../errors.ts';
import type { RangePage, StorageEngine } from './storage-engine.ts';
import { isUnreadable, storageError } from './storage-fault.ts';

const OWN_BYTE = 0xff;
/** Behind the last key that a client can have, and before the node's own. */
export const OWN_KEYS_START: Uint8Array = Uint8Array.of(OWN_BYTE);
/** Longer values may not fit into the log and the memtables of a node whose clients' values are small. */
export const MAX_OWN_VALUE_BYTES = 16 * 1024;

/** Who has remembered it: the second byte of the key. Append only. */
export const OwnPart = {
  hints: 0x68,
  watermarks: 0x77,
  bootstrap: 0x62,
} as const;
export type OwnPart = (typeof OwnPart)[keyof typeof OwnPart];

const NAME_AT = 2;
const WRITER = 0;
const NOTHING = new Uint8Array(0);
const PAGE_BYTES = 64 * 1024;
const PAGE_ENTRIES = 1_024;

type OwnEngine = Pick<StorageEngine, 'read' | 'write' | 'rangePage' | 'newestTimestamp'>;

interface OwnRecord {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Whether the key, which begins at `at`, is for the node's own records, and for no client's. */
export function isOwnKey(key: Uint8Array, at = 0): boolean {
  return key[at] === OWN_BYTE;
}

export class OwnRecords {
  readonly #engine: OwnEngine;
  #lastTimestamp = 0;

  constructor(engine: OwnEngine) {
    this.#engine = engine;
  }

  /** Null: there is none. */
  get(part: OwnPart, name: Uint8Array): Promise<Uint8Array | null> {
    const read = new OwnRead();
    this.#engine.read(keyOf(part, name), read, 0);
    return read.answer;
  }

  /** Resolves once it is as durable as a client's write. */
  put(part: OwnPart, name: Uint8Array, value: Uint8Array): Promise<void> {
    if (value.length <= MAX_OWN_VALUE_BYTES) return this.#write(part, name, value, false);
    const sentence = `a record of the node's own has ${value.length} bytes, and may have ${MAX_OWN_VALUE_BYTES}`;
    return Promise.reject(new QuorateError('STORAGE', sentence));
  }

  delete(part: OwnPart, name: Uint8Array): Promise<void> {
    return this.#write(part, name, NOTHING, true);
  }

  /**
   * Those whose names begin with the prefix, in the order of their names, as they are when their page is read. What the
   * disk cannot read is left out, and an older record, or a deleted one, may come in its place: whoever must not take that
   * for the newest asks for it by its name.
   * @param onUnreadable hears why something is left out
   */
  async *scan(
    part: OwnPart,
    prefix: Uint8Array = NOTHING,
    signal?: AbortSignal,
    onUnreadable?: (error: QuorateError) => void,
  ): AsyncGenerator<OwnRecord, void, void> {
    const first = keyOf(part, prefix);
    const end = keyBehind(first);
    let start: Uint8Array | null = first;
    while (start !== null) {
      signal?.throwIfAborted();
      const found: OwnRecord[] = [];
      try {
        using page = await this.#page(start, end, onUnreadable);
        const { bytes } = page;
        while (page.next()) {
          found.push({
            name: Uint8Array.from(bytes.subarray(page.keyStart + NAME_AT, page.keyEnd)),
            value: Uint8Array.from(bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd)),
          });
        }
        start = page.resumeAt;
      } catch (error) {
        throw storageError(error);
      }
      for (const record of found) {
        signal?.throwIfAborted();
        yield record;
      }
    }
  }

  async #page(
    start: Uint8Array,
    end: Uint8Array | null,
    onUnreadable: ((error: QuorateError) => void) | undefined,
  ): Promise<RangePage> {
    const limits = { maxBytes: PAGE_BYTES, maxEntries: PAGE_ENTRIES };
    const request = { start, end, ...limits, includeTombstones: false, encoder: 0, nowMs: 0 };
    try {
      return await this.#engine.rangePage(request);
    } catch (error) {
      const fault = storageError(error);
      if (!isUnreadable(fault)) throw error;
      onUnreadable?.(fault);
      return this.#engine.rangePage({ ...request, skipsDamage: true });
    }
  }

  #write(part: OwnPart, name: Uint8Array, value: Uint8Array, tombstone: boolean): Promise<void> {
    this.#lastTimestamp = Math.max(this.#lastTimestamp, this.#engine.newestTimestamp) + 1;
    const fields = { timestamp: this.#lastTimestamp, writer: WRITER, tombstone, from: 0, expiryMs: 0 };
    const write = new OwnWrite();
    this.#engine.write(keyOf(part, name), encodeRecord(fields, value), write, 0, Number.POSITIVE_INFINITY);
    return write.answer;
  }
}

function keyOf(part: OwnPart, name: Uint8Array): Uint8Array {
  const key = new Uint8Array(NAME_AT + name.length);
  key[0] = OWN_BYTE;
  key[1] = part;
  copyBytes(name, 0, name.length, key, NAME_AT);
  return key;
}

/** The first key that does not begin with these bytes and is above all that do; null: there is none. */
function keyBehind(prefix: Uint8Array): Uint8Array | null {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return null;
  const behind = prefix.slice(0, length);
  behind[length - 1]++;
  return behind;
}

/** Hears the answer to one read. */
class OwnRead implements ReadSink {
  readonly #answer = Promise.withResolvers<Uint8Array | null>();

  get answer(): Promise<Uint8Array | null> {
    return this.#answer.promise;
  }

  onRead(_token: number, record: Uint8Array | null, error: Error | null): void {
    if (error !== null) this.#answer.reject(storageError(error));
    else if (record === null || isTombstone(record, 0)) this.#answer.resolve(null);
    else this.#answer.resolve(Uint8Array.from(record.subarray(recordValueStart(record, 0))));
  }
}

/** Hears the answer to one write. */
class OwnWrite implements WriteSink {
  readonly #answer = Promise.withResolvers<void>();

  get answer(): Promise<void> {
    return this.#answer.promise;
  }

  onWrite(
    _token: number,
    status: WriteStatus,
    _timestamp: number,
    _writer: number,
    error: Error | null,
  ): void {
    if (status === WriteStatus.applied) this.#answer.resolve();
    else this.#answer.reject(storageError(error ?? "a record of the node's own met a newer version"));
  }
}
