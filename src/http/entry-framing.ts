import type { Framing } from '../../native-free-lsm/index.ts';
import { framing as chunks } from './framings/chunks.ts';
import { framing as msgpack } from './framings/msgpack.ts';

/** The forms in which the entries of a scan go to clients. They are framed where they are read: see framings/. */
export interface EntryFraming {
  /** What the storage engine knows it by: its place in FRAMING_MODULES, counted from 1. */
  readonly number: number;
  /** The same, for engines that run in the thread of their caller. Loaded by main, it is in the threads' compile cache. */
  readonly framing: Framing;
  readonly contentType: string;
  /** The bytes are those of a chunked transfer coding already. */
  readonly isChunked: boolean;
  /** What follows the last entry. */
  readonly end: Buffer;
}

/** Modules that frame entries, as the storage engine wants them. */
export const FRAMING_MODULES: readonly string[] = ['chunks', 'msgpack'].map(
  (name) => new URL(`./framings/${name}.ts`, import.meta.url).href,
);

export const chunkFraming: EntryFraming = {
  number: 1,
  framing: chunks,
  contentType: 'application/octet-stream',
  isChunked: true,
  end: Buffer.from('0\r\n\r\n'),
};

export const msgpackFraming: EntryFraming = {
  number: 2,
  framing: msgpack,
  contentType: 'application/x-msgpack',
  isChunked: false,
  end: Buffer.alloc(0),
};

/** By their numbers, less 1. */
export const ENTRY_FRAMINGS: readonly EntryFraming[] = [chunkFraming, msgpackFraming];
