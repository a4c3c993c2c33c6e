/**
 * Values that contain their key, the number of their write and their length, followed by bytes that depend on these. So
 * a value that is torn, belongs to another key or was never written is noticed. They do not compress.
 */
const HEADER_BYTES = 12;

/** @param bytes at least 12; rounded up to a multiple of 4 */
export function ownValue(key: number, counter: number, bytes: number): Uint8Array {
  const words = new Uint32Array(Math.max(HEADER_BYTES, bytes + 3) >>> 2);
  words[0] = key;
  words[1] = counter;
  words[2] = words.length;
  fill(words, key, counter);
  return new Uint8Array(words.buffer);
}

/**
 * The number of the write that made a value.
 * @throws Error when it is not whole, or not this key's
 */
export function counterOf(key: number, value: Uint8Array): number {
  // Copied, because a value may begin at any offset.
  const words = new Uint32Array(Uint8Array.from(value).buffer, 0, value.length >>> 2);
  const [ofKey, counter, length] = words;
  if (value.length < HEADER_BYTES || ofKey !== key || length * 4 !== value.length)
    throw new Error(`key ${key} has a value of ${value.length} bytes that says it is key ${ofKey}'s`);
  const expected = new Uint32Array(words.length);
  expected.set(words.subarray(0, 3));
  fill(expected, key, counter);
  for (let i = 3; i < words.length; i++) {
    if (words[i] !== expected[i])
      throw new Error(`key ${key}, write ${counter}: word ${i} is not what was written`);
  }
  return counter;
}

function fill(words: Uint32Array, key: number, counter: number): void {
  let state = Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(counter + 1, 0x85ebca6b) || 1;
  for (let i = 3; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
}
