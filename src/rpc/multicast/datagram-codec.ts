/**
 * Datagrams as FORMAT.md draws them: who they are for, and writes, each once, with the id that it has at each of its
 * receivers. Pure.
 */
import { copyBytes } from '../../../native-free-lsm/index.ts';

/** The seal, which covers everything behind it: datagram-seal.ts. */
export const SEAL_BYTES = 16;
/** One byte for the number of receivers. */
const HEAD_BYTES = SEAL_BYTES + 1;
/** A receiver is named by a tag of its session. */
export const TAG_BYTES = 6;
/** A write names its receivers by bits of a u32. */
export const MAX_RECEIVERS = 32;
const MASK_BYTES = 4;
const ID_BYTES = 4;
const LENGTH_BYTES = 2;
/** Where writes are gathered: the receivers, whose number is not known before, are written in front of them. */
const WRITES_START = HEAD_BYTES + MAX_RECEIVERS * TAG_BYTES;

/** The room that one write takes. */
function writeEntryBytes(messageBytes: number, receivers: number): number {
  return MASK_BYTES + receivers * ID_BYTES + LENGTH_BYTES + messageBytes;
}

/** The size of a datagram that brings one write to so many receivers. */
export function datagramBytes(messageBytes: number, receivers: number): number {
  return HEAD_BYTES + receivers * TAG_BYTES + writeEntryBytes(messageBytes, receivers);
}

/** Gathers writes to one datagram. Its memory is used for one datagram after the other. */
export class DatagramWriter {
  readonly #bytes: Buffer;
  readonly #maxBytes: number;
  #end = WRITES_START;
  #receivers = 0;

  /** @param maxBytes of a datagram */
  constructor(maxBytes: number) {
    this.#bytes = Buffer.alloc(WRITES_START + maxBytes);
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#end === WRITES_START;
  }

  /** Whether there is room for a write to so many receivers, of whom `unnamed` are not in the datagram yet. */
  hasRoom(messageBytes: number, receivers: number, unnamed: number): boolean {
    const named = this.#receivers + unnamed;
    const gatheredBytes = HEAD_BYTES + named * TAG_BYTES + this.#end - WRITES_START;
    return (
      named <= MAX_RECEIVERS && gatheredBytes + writeEntryBytes(messageBytes, receivers) <= this.#maxBytes
    );
  }

  /** Names one more receiver. @returns its place */
  addReceiver(tag: number): number {
    // They are counted from the end of their room backwards, which keeps them together in front of the writes.
    this.#bytes.writeUIntBE(tag, WRITES_START - (this.#receivers + 1) * TAG_BYTES, TAG_BYTES);
    return this.#receivers++;
  }

  /**
   * @param places of the receivers, rising, `count` of them
   * @param ids that the write has at each of them
   */
  addWrite(places: Uint8Array, ids: Uint32Array, count: number, message: Uint8Array): void {
    const bytes = this.#bytes;
    let mask = 0;
    let next = this.#end + MASK_BYTES;
    for (let i = 0; i < count; i++) {
      mask |= 1 << places[i];
      next = bytes.writeUInt32BE(ids[i], next);
    }
    bytes.writeUInt32BE(mask >>> 0, this.#end);
    next = bytes.writeUInt16BE(message.length, next);
    copyBytes(message, 0, message.length, bytes, next);
    this.#end = next + message.length;
  }

  /** The datagram, with room for its seal, in memory of its own. The next one starts. */
  take(): Buffer {
    const start = WRITES_START - this.#receivers * TAG_BYTES - HEAD_BYTES;
    this.#bytes[start + SEAL_BYTES] = this.#receivers;
    const datagram = Buffer.allocUnsafe(this.#end - start);
    copyBytes(this.#bytes, start, this.#end, datagram, 0);
    this.#end = WRITES_START;
    this.#receivers = 0;
    return datagram;
  }
}

/** Walks through a datagram in place. */
export class DatagramReader {
  #bytes: Buffer = Buffer.alloc(0);
  #next = 0;
  #mask = 0;
  #idsStart = 0;
  /** The message of the write that `next` has found. */
  messageStart = 0;
  messageEnd = 0;
  receivers = 0;

  /** @returns whether it can be a datagram at all */
  open(bytes: Buffer): boolean {
    this.#bytes = bytes;
    this.#next = bytes.length;
    if (bytes.length <= HEAD_BYTES) return false;
    this.receivers = bytes[SEAL_BYTES];
    const writesStart = HEAD_BYTES + this.receivers * TAG_BYTES;
    if (this.receivers === 0 || this.receivers > MAX_RECEIVERS || writesStart >= bytes.length) return false;
    this.#next = writesStart;
    return true;
  }

  tagOf(place: number): number {
    return this.#bytes.readUIntBE(HEAD_BYTES + (this.receivers - 1 - place) * TAG_BYTES, TAG_BYTES);
  }

  /**
   * Goes on to the next write.
   * @returns false: there is none; `isWhole` says whether the datagram ended where it should
   */
  next(): boolean {
    const bytes = this.#bytes;
    const idsStart = this.#next + MASK_BYTES;
    if (idsStart > bytes.length) return false;
    const mask = bytes.readUInt32BE(this.#next);
    const lengthStart = idsStart + bitsOf(mask) * ID_BYTES;
    if (lengthStart + LENGTH_BYTES > bytes.length) return false;
    const messageStart = lengthStart + LENGTH_BYTES;
    const messageEnd = messageStart + bytes.readUInt16BE(lengthStart);
    if (messageEnd > bytes.length) return false;
    this.#mask = mask;
    this.#idsStart = idsStart;
    this.messageStart = messageStart;
    this.messageEnd = messageEnd;
    this.#next = messageEnd;
    return true;
  }

  /** Whether everything in the datagram was a write. */
  get isWhole(): boolean {
    return this.#next === this.#bytes.length;
  }

  /** The id that the write has at this receiver; -1: it is not for that one. */
  idFor(place: number): number {
    const bit = 1 << place;
    if ((this.#mask & bit) === 0) return -1;
    return this.#bytes.readUInt32BE(this.#idsStart + bitsOf(this.#mask & (bit - 1)) * ID_BYTES);
  }

  /** Drops the reference to the datagram. */
  clear(): void {
    this.#bytes = Buffer.alloc(0);
  }
}

function bitsOf(mask: number): number {
  let rest = mask;
  let bits = 0;
  while (rest !== 0) {
    rest &= rest - 1;
    bits++;
  }
  return bits;
}
