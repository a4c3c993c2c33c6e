/**
 * What is asked with `bulkPage`, and what is answered: FORMAT.md of src/rpc draws both. Entries are packed as the engine
 * packs a page of a scan. Pure.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { copyBytes } from '../../../native-free-lsm/index.ts';
import { protocolError } from '../../errors.ts';

const FORMAT = 1;
const FLAG_RESUME = 1;
const FLAG_BEHIND = 2;
const HEADER_BYTES = 12;
const ENTRY_HEADER_BYTES = 8;
const MAX_SOURCES = 1_024;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export interface BulkRequest {
  /** The node that is being filled. */
  readonly asker: string;
  /** All nodes that it asks, among them the one that is asked here. */
  readonly sources: readonly string[];
  readonly maxBytes: number;
  /** Inclusive. */
  readonly start: Uint8Array;
}

/** Where a page ends. */
export type BulkEnd =
  /** Behind the last key. */
  | { readonly kind: 'end' }
  /** Go on from this key, inclusive. */
  | { readonly kind: 'at'; readonly key: Uint8Array }
  /** Go on behind the page's last key: it is long, and would not have fitted into the message twice. */
  | { readonly kind: 'behind' };

export interface BulkPage {
  readonly end: BulkEnd;
  /** Bytes that the source holds in all. */
  readonly sourceBytes: number;
  readonly entries: Uint8Array;
}

export function encodeBulkRequest({ asker, sources, maxBytes, start }: BulkRequest): Uint8Array {
  return packr.pack([asker, sources, maxBytes, start]);
}

/** @throws QuorateError PROTOCOL */
export function decodeBulkRequest(bytes: Uint8Array): BulkRequest {
  let fields: unknown;
  try {
    fields = unpackr.unpack(bytes);
  } catch (error) {
    throw protocolError(`a request for a bulk page that is not msgpack: ${String(error)}`);
  }
  if (!Array.isArray(fields) || fields.length !== 4)
    throw protocolError('a malformed request for a bulk page');
  const [asker, sources, maxBytes, start] = fields as unknown[];
  const isSound =
    typeof asker === 'string' &&
    Array.isArray(sources) &&
    sources.length <= MAX_SOURCES &&
    sources.every((id) => typeof id === 'string') &&
    Number.isInteger(maxBytes) &&
    (maxBytes as number) > 0 &&
    start instanceof Uint8Array;
  if (!isSound) throw protocolError('a malformed request for a bulk page');
  return { asker, sources, maxBytes: maxBytes as number, start };
}

export function encodeBulkPage({ end, sourceBytes, entries }: BulkPage): Uint8Array {
  const resume = end.kind === 'at' ? end.key : null;
  const resumeBytes = resume?.length ?? 0;
  const page = Buffer.allocUnsafe(HEADER_BYTES + resumeBytes + entries.length);
  page[0] = FORMAT;
  page[1] = (end.kind === 'at' ? FLAG_RESUME : 0) | (end.kind === 'behind' ? FLAG_BEHIND : 0);
  page.writeUInt16LE(resumeBytes, 2);
  page.writeDoubleLE(sourceBytes, 4);
  if (resume !== null) copyBytes(resume, 0, resumeBytes, page, HEADER_BYTES);
  copyBytes(entries, 0, entries.length, page, HEADER_BYTES + resumeBytes);
  return page;
}

/**
 * The parts are views of `bytes`.
 * @throws QuorateError PROTOCOL
 */
export function decodeBulkPage(bytes: Uint8Array): BulkPage {
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) throw protocolError('a bulk page of another form');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view[1];
  const entriesAt = HEADER_BYTES + view.readUInt16LE(2);
  const sourceBytes = view.readDoubleLE(4);
  const hasResume = entriesAt > HEADER_BYTES;
  const isSound =
    flags <= FLAG_BEHIND &&
    hasResume === (flags === FLAG_RESUME) &&
    entriesAt <= view.length &&
    Number.isFinite(sourceBytes) &&
    sourceBytes >= 0;
  if (!isSound) throw protocolError('a malformed bulk page');
  const entries = bytes.subarray(entriesAt);
  checkEntries(entries);
  if (flags === FLAG_RESUME) {
    return { end: { kind: 'at', key: bytes.slice(HEADER_BYTES, entriesAt) }, sourceBytes, entries };
  }
  if (flags === FLAG_BEHIND && entries.length === 0)
    throw protocolError('a bulk page that ends behind an entry has none');
  return { end: flags === FLAG_BEHIND ? { kind: 'behind' } : { kind: 'end' }, sourceBytes, entries };
}

/** The key to go on from; null: it was the last page. */
export function cursorBehind({ end, entries }: BulkPage): Uint8Array | null {
  if (end.kind === 'end') return null;
  if (end.kind === 'at') return end.key;
  // It holds one entry. The smallest key behind another one has one zero byte more.
  const view = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
  const key = view.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + view.readUInt32LE(0));
  return Buffer.concat([key, Buffer.of(0)]);
}

/** Afterwards the entries can be walked without a look at where they end. */
function checkEntries(entries: Uint8Array): void {
  const view = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
  let at = 0;
  while (at + ENTRY_HEADER_BYTES <= view.length)
    at += ENTRY_HEADER_BYTES + view.readUInt32LE(at) + view.readUInt32LE(at + 4);
  if (at !== view.length) throw protocolError('the entries of a bulk page do not end with it');
}
