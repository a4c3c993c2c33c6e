/**
 * The values that `fill` writes. Each depends only on the seed and its key's number, so a reader can check it. Pure.
 *
 * The first half names the key's number and repeats one word, the second half is random bytes: zstd halves such a
 * value. The random bytes are cut from a pool that is made once: making new ones for each value would cost as much as
 * compressing it.
 */
/**
 * More than zstd looks back at its lowest levels, so that it finds no repetition in the second half of a long value.
 */
const POOL_BYTES = 2 * 1024 * 1024;
const WORD = 'quorate ';
const FILLER_BYTES = 64 * 1024;

export class FillValues {
  readonly #seed: number;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  readonly #filler = Buffer.alloc(FILLER_BYTES, WORD);

  constructor(seed: number) {
    this.#seed = seed;
    const stream = mix(seed, POOL_BYTES);
    for (let at = 0; at < POOL_BYTES; at += 4) this.#pool.writeUInt32LE(mix(stream, at), at);
  }

  /** Writes the value of key `number` to `target[at, at + sizeBytes)`. */
  write(number: number, sizeBytes: number, target: Uint8Array, at: number): void {
    const end = at + sizeBytes;
    const randomStart = at + Math.ceil(sizeBytes / 2);
    const wordsStart = writeNumber(number, target, at, randomStart);
    copyAround(this.#filler, 0, target, wordsStart, randomStart);
    copyAround(this.#pool, mix(this.#seed, number) % POOL_BYTES, target, randomStart, end);
  }
}

/** The value of `key<number>` after `fill --seed <seed> --value-size <sizeBytes>`. */
export function fillValue(seed: number, number: number, sizeBytes: number): Uint8Array {
  const value = new Uint8Array(sizeBytes);
  valuesOf(seed).write(number, sizeBytes, value, 0);
  return value;
}

let latest: { readonly seed: number; readonly values: FillValues } | undefined;

function valuesOf(seed: number): FillValues {
  if (latest?.seed !== seed) latest = { seed, values: new FillValues(seed) };
  return latest.values;
}

/** Writes the number's digits and a space as far as there is room, and returns where they end. */
function writeNumber(number: number, target: Uint8Array, start: number, end: number): number {
  const text = `${number} `;
  const length = Math.min(text.length, end - start);
  for (let i = 0; i < length; i++) target[start + i] = text.charCodeAt(i);
  return start + length;
}

/** Fills `target[start, end)` from `source`, beginning at `from` and starting over when `source` ends. */
function copyAround(source: Buffer, from: number, target: Uint8Array, start: number, end: number): void {
  let next = from;
  for (let at = start; at < end; next = 0) at += source.copy(target, at, next, next + end - at);
}

/** 32 bits that depend on every bit of both (the finalizer of MurmurHash3, Austin Appleby, public domain). */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ b;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
