/**
 * LZ4's block format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md), in both directions. Node has zlib and
 * zstd, but makes a context for each call, which takes longer than a block of some kilobytes takes here.
 *
 *   sequence:  u8 token       upper four bits: literals; lower four: bytes of the match, less 4. 15: more bytes follow
 *              more of the number of literals: each byte adds to it, the last one is below 255
 *              the literals
 *              u16 distance   of the match, counted back from here
 *              more of the length of the match
 *
 * The last sequence ends with its literals. It has five of them or more, and no match begins in the last twelve bytes of
 * what was compressed: decoders that copy in steps rely on that.
 */
const MIN_MATCH = 4;
const NIBBLE = 15;
const MORE = 255;
/** At the end, at least so many bytes are literals. */
const LAST_LITERALS = 5;
/** No match begins so near to the end. */
const MATCH_MARGIN = 12;
const MAX_DISTANCE = 0xffff;
const HASH_BITS = 12;
const HASH_FACTOR = 0x9e3779b1;
/** After 2^this places without a match every second one is tried, then every third: what does not shrink costs little. */
const SKIP_BITS = 3;
/** Longer literals are copied by a native call. */
const NATIVE_BYTES = 48;
const nativeCopy = Buffer.prototype.copy;

/** Compresses blocks of less than 1 GiB, one after another, in memory that it keeps. */
export class Lz4Compressor {
  /** Where a sequence of four bytes was met last, counted from the start of the first block of all. */
  readonly #places = new Int32Array(1 << HASH_BITS);
  /** Places below belong to earlier blocks. */
  #base = 1;

  /**
   * Compresses `source[start, end)` to `target[targetStart, …)`.
   * @param limit the result must end at or before it
   * @returns where the result ends; -1 when it would end beyond the limit
   */
  compress(
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    targetStart: number,
    limit: number,
  ): number {
    const places = this.#places;
    // 2^31 is where places would no longer fit.
    if (this.#base + (end - start) > 0x7fff_ffff) {
      places.fill(0);
      this.#base = 1;
    }
    const base = this.#base - start;
    this.#base += end - start;
    const lastMatch = end - MATCH_MARGIN;
    const matchEnd = end - LAST_LITERALS;
    let to = targetStart;
    let literals = start;
    let at = start;
    let missed = 1 << SKIP_BITS;
    while (at <= lastMatch) {
      const word = wordAt(source, at);
      const hash = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
      let match = places[hash] - base;
      places[hash] = at + base;
      if (match < start || at - match > MAX_DISTANCE || wordAt(source, match) !== word) {
        at += missed++ >>> SKIP_BITS;
        continue;
      }
      missed = 1 << SKIP_BITS;
      const distance = at - match;
      let matched = at + MIN_MATCH;
      match += MIN_MATCH;
      while (matched < matchEnd && source[matched] === source[match]) {
        matched++;
        match++;
      }
      // It may begin earlier than where it was found.
      while (at > literals && at - distance > start && source[at - 1] === source[at - 1 - distance]) at--;
      to = writeSequence(source, literals, at, distance, matched - at, target, to, limit);
      if (to < 0) return -1;
      // The next match often begins just before its end.
      if (matched - 2 > start && matched <= lastMatch)
        places[Math.imul(wordAt(source, matched - 2), HASH_FACTOR) >>> (32 - HASH_BITS)] = matched - 2 + base;
      at = matched;
      literals = matched;
    }
    return writeSequence(source, literals, end, 0, 0, target, to, limit);
  }
}

/**
 * @param distance 0: there is no match, it is the last sequence
 * @returns where it ends; -1 when it would end beyond the limit
 */
function writeSequence(
  source: Uint8Array,
  start: number,
  end: number,
  distance: number,
  matchBytes: number,
  target: Uint8Array,
  targetStart: number,
  limit: number,
): number {
  const literals = end - start;
  const more = distance === 0 ? 0 : matchBytes - MIN_MATCH;
  // Token, distance, and what the two numbers may take beyond it.
  if (targetStart + 5 + literals + Math.floor((literals + more) / MORE) > limit) {
    const needed = 1 + literals + moreBytes(literals) + (distance === 0 ? 0 : 2 + moreBytes(more));
    if (targetStart + needed > limit) return -1;
  }
  let to = targetStart;
  target[to++] = (Math.min(literals, NIBBLE) << 4) | Math.min(more, NIBBLE);
  if (literals >= NIBBLE) to = writeMore(target, to, literals);
  if (literals > NATIVE_BYTES) {
    nativeCopy.call(source, target, to, start, end);
    to += literals;
  } else {
    for (let from = start; from < end; from++) target[to++] = source[from];
  }
  if (distance === 0) return to;
  target[to++] = distance;
  target[to++] = distance >>> 8;
  return more >= NIBBLE ? writeMore(target, to, more) : to;
}

function moreBytes(value: number): number {
  return value < NIBBLE ? 0 : 1 + Math.floor((value - NIBBLE) / MORE);
}

function writeMore(target: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value - NIBBLE;
  for (; rest >= MORE; rest -= MORE) target[to++] = MORE;
  target[to++] = rest;
  return to;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

/**
 * Decompresses `source[start, end)` to `target[targetStart, targetEnd)`, and writes nothing beside it.
 * @returns whether it was whole, and filled just that
 */
export function decompressLz4(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  targetEnd: number,
): boolean {
  let at = start;
  let to = targetStart;
  while (at < end) {
    const token = source[at++];
    let literals = token >>> 4;
    if (literals === NIBBLE) {
      let byte = MORE;
      while (byte === MORE && at < end) {
        byte = source[at++];
        literals += byte;
      }
    }
    if (at + literals > end || to + literals > targetEnd) return false;
    if (literals > NATIVE_BYTES) {
      nativeCopy.call(source, target, to, at, at + literals);
      to += literals;
      at += literals;
    } else {
      for (const until = at + literals; at < until; ) target[to++] = source[at++];
    }
    if (at === end) return to === targetEnd;
    if (at + 2 > end) return false;
    const distance = source[at] | (source[at + 1] << 8);
    at += 2;
    let bytes = (token & NIBBLE) + MIN_MATCH;
    if (bytes === NIBBLE + MIN_MATCH) {
      let byte = MORE;
      while (byte === MORE && at < end) {
        byte = source[at++];
        bytes += byte;
      }
    }
    if (distance === 0 || to - distance < targetStart || to + bytes > targetEnd) return false;
    if (bytes > NATIVE_BYTES && distance >= bytes) {
      nativeCopy.call(target, target, to, to - distance, to - distance + bytes);
      to += bytes;
    } else {
      // Byte by byte: a match may go on into what it writes.
      for (let from = to - distance, until = to + bytes; to < until; ) target[to++] = target[from++];
    }
  }
  return false;
}

/** How many bytes `source[start, end)` decompresses to; -1 when it is no whole block. */
export function unpackedLz4Bytes(source: Uint8Array, start: number, end: number): number {
  let at = start;
  let unpacked = 0;
  while (at < end) {
    const token = source[at++];
    let literals = token >>> 4;
    if (literals === NIBBLE) {
      let byte = MORE;
      while (byte === MORE && at < end) {
        byte = source[at++];
        literals += byte;
      }
    }
    at += literals;
    unpacked += literals;
    if (at === end) return unpacked;
    at += 2;
    let bytes = (token & NIBBLE) + MIN_MATCH;
    if (bytes === NIBBLE + MIN_MATCH) {
      let byte = MORE;
      while (byte === MORE && at < end) {
        byte = source[at++];
        bytes += byte;
      }
    }
    unpacked += bytes;
  }
  return -1;
}
