import { extname } from 'node:path';
import type { EntryEncoder } from '../../native-free-lsm/index.ts';
import { encoder as chunks } from './encoders/chunks.ts';
import { encoder as msgpack } from './encoders/msgpack.ts';

/** The forms in which the entries of a scan go to clients. They are encoded where they are read: see encoders/. */
export interface EntryEncoding {
  /** Its index in ENTRY_ENCODER_MODULES. */
  readonly place: number;
  /** For engines that run in the thread of their caller. Because main loads it, it is in the threads' compile cache. */
  readonly encoder: EntryEncoder;
  readonly contentType: string;
  /** The bytes are those of a chunked transfer coding already. */
  readonly isChunked: boolean;
  /** What follows the last entry. */
  readonly end: Buffer;
}

/** Modules of the entry encoders, as the storage engine wants them. */
export const ENTRY_ENCODER_MODULES: readonly string[] = ['chunks', 'msgpack'].map(
  (name) => new URL(`./encoders/${name}${extname(import.meta.url)}`, import.meta.url).href,
);

export const chunkEncoding: EntryEncoding = {
  place: 0,
  encoder: chunks,
  contentType: 'application/octet-stream',
  isChunked: true,
  end: Buffer.from('0\r\n\r\n'),
};

export const msgpackEncoding: EntryEncoding = {
  place: 1,
  encoder: msgpack,
  contentType: 'application/x-msgpack',
  isChunked: false,
  end: Buffer.alloc(0),
};

/** By their places. */
export const ENTRY_ENCODINGS: readonly EntryEncoding[] = [chunkEncoding, msgpackEncoding];
