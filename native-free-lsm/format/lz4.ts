import { viewOf } from './view.ts';

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
/** This in half of a token: more bytes follow. */
const NIBBLE = 15;
/** A byte of a length behind which another one follows. */
const MORE = 255;
/** At the end, at least so many bytes are literals. */
const LAST_LITERALS = 5;
/** No match begins so near to the end. */
const MATCH_MARGIN = 12;
/** Longer pieces are copied by a native call. */
const NATIVE_BYTES = 64;
/** A block of some kilobytes needs no more, and a table of places of 16 KiB stays in the processor's first cache. */
const MAX_HASH_BITS = 13;
const MIN_HASH_BITS = 8;
const HASH_FACTOR = 0x9e3779b1;
/** After 2^this places without a match every second one is tried, then every third: what does not shrink costs little. */
const SKIP_BITS = 3;
/**
 * Beyond the literals, a sequence takes token, distance and what its two numbers take beyond the token, which is less
 * than a 128th of their sum and two bytes; and literals are copied in steps that write more than there are.
 */
const SLACK_BYTES = 24;
const SLACK_SHIFT = 7;
/** A match at this distance or farther away can be copied in words: it does not go on into the word that is written. */
const WORD_BYTES = 4;
/** Literals whose number is in the token are copied with as many bytes behind them, where there are any. */
const STRIDE_BYTES = 16;
/** Where both lengths are in the token: that, the literals as they are read, and a distance. */
const MAX_SHORT_BYTES = 1 + STRIDE_BYTES + 2;
/** As it is written: as many literals as there can be, and a match of 18 bytes in words. */
const MAX_SHORT_UNPACKED_BYTES = NIBBLE - 1 + 20;
/** Other pieces are copied in steps of two words. */
const STEP_BYTES = 8;
/** So many bytes of a long match that goes on into itself are copied singly before native calls pay. */
const LONG_PERIOD_BYTES = 32;
/**
 * What is read of a view are numbers with a sign, of which these bits are taken: before a function has been called often,
 * V8's quick compiler makes an access of those and a call of 50 ns of those without a sign.
 */
const BYTE = 0xff;
const TWO_BYTES = 0xffff;
const NO_BYTES = new Uint8Array(0);
const nativeCopy = Buffer.prototype.copy;

/** Compresses blocks of less than 1 GiB, one after another, in memory that it keeps. */
export class Lz4Compressor {
  /**
   * Where a sequence of four bytes was met last, counted from the start of the block, less all multiples of 64 KiB: no
   * match is farther away than that. A sequence that was not met is where the block starts: so every place is one to
   * look at, and whether it is a match is the only question that the search has for it.
   */
  readonly #places = new Uint16Array(1 << MAX_HASH_BITS);
  #source: Uint8Array = NO_BYTES;
  #from = viewOf(NO_BYTES);
  #target: Uint8Array = NO_BYTES;
  #into = viewOf(NO_BYTES);

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
    const hashBits = Math.max(MIN_HASH_BITS, Math.min(MAX_HASH_BITS, 33 - Math.clz32(end - start)));
    const places = this.#places;
    places.fill(0, 0, 1 << hashBits);
    const shift = 32 - hashBits;
    if (source !== this.#source) {
      this.#source = source;
      this.#from = viewOf(source);
    }
    if (target !== this.#target) {
      this.#target = target;
      this.#into = viewOf(target);
    }
    const from = this.#from;
    const into = this.#into;
    const lastMatch = end - MATCH_MARGIN;
    const matchEnd = end - LAST_LITERALS;
    const lastWord = matchEnd - 4;
    let to = targetStart;
    let literals = start;
    let at = start + 1;
    for (;;) {
      // A loop that calls nothing: V8 looks once, before it, at what it would look at before each access.
      let distance = 0;
      let missed = 1 << SKIP_BITS;
      while (at <= lastMatch) {
        const word = from.getInt32(at, true);
        const hash = Math.imul(word, HASH_FACTOR) >>> shift;
        const place = (at - start) & 0xffff;
        distance = (place - places[hash]) & 0xffff;
        places[hash] = place;
        // No distance at all is one of 64 KiB.
        if (from.getInt32(at - distance, true) === word && distance !== 0) break;
        at += missed++ >>> SKIP_BITS;
      }
      if (at > lastMatch) break;
      let matched = at + MIN_MATCH;
      while (matched <= lastWord) {
        const differing = from.getInt32(matched, true) ^ from.getInt32(matched - distance, true);
        if (differing !== 0) {
          // As many bytes are equal as whole bytes of zeros are below the lowest bit that differs.
          matched += (31 - Math.clz32(differing & -differing)) >>> 3;
          break;
        }
        matched += 4;
      }
      if (matched > lastWord)
        while (matched < matchEnd && from.getInt8(matched) === from.getInt8(matched - distance)) matched++;
      if (at !== literals) {
        // It may begin earlier than where it was found.
        const earliest = Math.max(literals, start + distance);
        while (at > earliest && from.getInt8(at - 1) === from.getInt8(at - 1 - distance)) at--;
      }
      const count = at - literals;
      const more = matched - at - MIN_MATCH;
      if (to + SLACK_BYTES + count + ((count + more) >>> SLACK_SHIFT) > limit) {
        to = writeSequence(from, literals, at, distance, more, into, to, limit);
        if (to < 0) return -1;
      } else {
        // No literal is in the last twelve bytes, so there are bytes behind them to read.
        if (count < NIBBLE) {
          into.setInt8(to++, (count << 4) | Math.min(more, NIBBLE));
          into.setInt32(to, from.getInt32(literals, true), true);
          into.setInt32(to + 4, from.getInt32(literals + 4, true), true);
          if (count > 8) {
            into.setInt32(to + 8, from.getInt32(literals + 8, true), true);
            into.setInt32(to + 12, from.getInt32(literals + 12, true), true);
          }
        } else {
          into.setInt8(to++, (NIBBLE << 4) | Math.min(more, NIBBLE));
          to = writeMore(into, to, count);
          if (count > NATIVE_BYTES) nativeCopy.call(source, target, to, literals, at);
          else
            for (let i = 0; i < count; i += 4) into.setInt32(to + i, from.getInt32(literals + i, true), true);
        }
        to += count;
        into.setInt16(to, distance, true);
        to += 2;
        if (more >= NIBBLE) to = writeMore(into, to, more);
      }
      // The next match often begins just before its end.
      if (matched <= lastMatch)
        places[Math.imul(from.getInt32(matched - 2, true), HASH_FACTOR) >>> shift] = matched - 2 - start;
      at = matched;
      literals = matched;
    }
    return writeLastLiterals(source, literals, end, into, target, to, limit);
  }
}

/**
 * Near the limit: writes nothing beside the sequence itself.
 * @param more bytes of the match beyond the least
 * @returns where it ends; -1 when it would end beyond the limit
 */
function writeSequence(
  from: DataView,
  start: number,
  end: number,
  distance: number,
  more: number,
  into: DataView,
  targetStart: number,
  limit: number,
): number {
  const literals = end - start;
  if (targetStart + 3 + literals + moreBytes(literals) + moreBytes(more) > limit) return -1;
  let to = targetStart;
  into.setInt8(to++, (Math.min(literals, NIBBLE) << 4) | Math.min(more, NIBBLE));
  if (literals >= NIBBLE) to = writeMore(into, to, literals);
  for (let at = start; at < end; at++) into.setInt8(to++, from.getInt8(at));
  into.setInt16(to, distance, true);
  to += 2;
  return more >= NIBBLE ? writeMore(into, to, more) : to;
}

/** As `writeSequence`, for the last sequence, which has no match. */
function writeLastLiterals(
  source: Uint8Array,
  start: number,
  end: number,
  into: DataView,
  target: Uint8Array,
  targetStart: number,
  limit: number,
): number {
  const literals = end - start;
  if (targetStart + 1 + literals + moreBytes(literals) > limit) return -1;
  let to = targetStart;
  target[to++] = Math.min(literals, NIBBLE) << 4;
  if (literals >= NIBBLE) to = writeMore(into, to, literals);
  nativeCopy.call(source, target, to, start, end);
  return to + literals;
}

function moreBytes(value: number): number {
  return value < NIBBLE ? 0 : 1 + Math.floor((value - NIBBLE) / MORE);
}

function writeMore(into: DataView, at: number, value: number): number {
  let to = at;
  let rest = value - NIBBLE;
  for (; rest >= MORE; rest -= MORE) into.setInt8(to++, MORE);
  into.setInt8(to++, rest);
  return to;
}

/**
 * Decompresses `source[start, end)` to `target[targetStart, targetEnd)`, and writes nothing beside it. Where it fails
 * what it has written there is of no use.
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
  const from = viewOf(source);
  const into = viewOf(target);
  const lastShort = end - MAX_SHORT_BYTES;
  const lastShortTarget = targetEnd - MAX_SHORT_UNPACKED_BYTES;
  const lastStride = end - STRIDE_BYTES;
  const lastTargetStride = targetEnd - STRIDE_BYTES;
  const lastTargetStep = targetEnd - STEP_BYTES;
  let at = start;
  let to = targetStart;
  while (at < end) {
    // Short sequences in the middle, in a loop that calls nothing: see the search of the encoder.
    while (at <= lastShort && to <= lastShortTarget) {
      const token = from.getInt8(at) & BYTE;
      const literals = token >>> 4;
      const more = token & NIBBLE;
      if (literals === NIBBLE || more === NIBBLE) break;
      into.setInt32(to, from.getInt32(at + 1, true), true);
      into.setInt32(to + 4, from.getInt32(at + 5, true), true);
      if (literals > 8) {
        into.setInt32(to + 8, from.getInt32(at + 9, true), true);
        into.setInt32(to + 12, from.getInt32(at + 13, true), true);
      }
      const distance = from.getInt16(at + 1 + literals, true) & TWO_BYTES;
      const begin = to + literals;
      const match = begin - distance;
      if (distance < WORD_BYTES || match < targetStart) break;
      into.setInt32(begin, into.getInt32(match, true), true);
      into.setInt32(begin + 4, into.getInt32(match + 4, true), true);
      if (more > 4) {
        into.setInt32(begin + 8, into.getInt32(match + 8, true), true);
        into.setInt32(begin + 12, into.getInt32(match + 12, true), true);
        into.setInt32(begin + 16, into.getInt32(match + 16, true), true);
      }
      at += 3 + literals;
      to = begin + more + MIN_MATCH;
    }
    const token = from.getInt8(at++) & BYTE;
    let literals = token >>> 4;
    if (literals < NIBBLE && at <= lastStride && to <= lastTargetStride) {
      into.setInt32(to, from.getInt32(at, true), true);
      into.setInt32(to + 4, from.getInt32(at + 4, true), true);
      if (literals > 8) {
        into.setInt32(to + 8, from.getInt32(at + 8, true), true);
        into.setInt32(to + 12, from.getInt32(at + 12, true), true);
      }
      at += literals;
      to += literals;
    } else {
      if (literals === NIBBLE) {
        let byte = MORE;
        while (byte === MORE && at < end) {
          byte = from.getInt8(at++) & BYTE;
          literals += byte;
        }
      }
      const literalsEnd = at + literals;
      if (literalsEnd > end || to + literals > targetEnd) return false;
      if (literals > NATIVE_BYTES) {
        nativeCopy.call(source, target, to, at, literalsEnd);
        to += literals;
        at = literalsEnd;
      } else {
        for (const lastStep = literalsEnd - STEP_BYTES; at <= lastStep; at += STEP_BYTES, to += STEP_BYTES) {
          into.setInt32(to, from.getInt32(at, true), true);
          into.setInt32(to + 4, from.getInt32(at + 4, true), true);
        }
        if (at + WORD_BYTES <= literalsEnd) {
          into.setInt32(to, from.getInt32(at, true), true);
          at += WORD_BYTES;
          to += WORD_BYTES;
        }
        while (at < literalsEnd) into.setInt8(to++, from.getInt8(at++));
      }
      if (at === end) return to === targetEnd;
      if (at + 2 > end) return false;
    }
    const distance = from.getInt16(at, true) & TWO_BYTES;
    at += 2;
    let bytes = (token & NIBBLE) + MIN_MATCH;
    if (bytes === NIBBLE + MIN_MATCH) {
      let byte = MORE;
      while (byte === MORE && at < end) {
        byte = from.getInt8(at++) & BYTE;
        bytes += byte;
      }
    }
    let match = to - distance;
    const matchEnd = to + bytes;
    if (distance === 0 || match < targetStart || matchEnd > targetEnd) return false;
    if (distance >= WORD_BYTES && bytes <= NATIVE_BYTES && matchEnd <= lastTargetStep) {
      // The last step may write beyond the match, where the next sequence comes.
      do {
        into.setInt32(to, into.getInt32(match, true), true);
        into.setInt32(to + 4, into.getInt32(match + 4, true), true);
        to += STEP_BYTES;
        match += STEP_BYTES;
      } while (to < matchEnd);
      to = matchEnd;
    } else to = copyMatch(into, match, to, matchEnd, target);
  }
  return false;
}

/**
 * A match that is long, or near the end of the target, or so near to what it is copied to that it goes on into that.
 * @returns `end`
 */
function copyMatch(into: DataView, match: number, start: number, end: number, target: Uint8Array): number {
  let to = start;
  if (end - start > NATIVE_BYTES) {
    const distance = start - match;
    const periods = match + distance * Math.ceil(LONG_PERIOD_BYTES / distance);
    for (let from = match; to < periods; ) into.setInt8(to++, into.getInt8(from++));
    // From the match's beginning to here are whole periods: each copy of them makes them twice as many.
    while (to < end) {
      const bytes = Math.min(to - match, end - to);
      nativeCopy.call(target, target, to, match, match + bytes);
      to += bytes;
    }
    return end;
  }
  for (let from = match; to < end; ) into.setInt8(to++, into.getInt8(from++));
  return end;
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
