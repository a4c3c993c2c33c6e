// By import, as the global one is got by a call.
import { Buffer } from 'node:buffer';

/** What callers may give as a key or a value: bytes, or a string, which stands for its UTF-8. */
export type GivenBytes = Uint8Array | string;

/**
 * Never the same bytes for two strings: one with half of a surrogate pair has no UTF-8, as `Buffer.from` would write
 * every such half as U+FFFD.
 * @returns bytes as they are; a string that has no UTF-8, or what is neither, as it was given, for the check behind this
 */
export function toBytes(given: GivenBytes): Uint8Array {
  if (typeof given !== 'string' || !given.isWellFormed()) return given as Uint8Array;
  return Buffer.from(given);
}
