/**
 * The same bytes as msgpackr is to be given them. It puts a property of its own on what it unpacks. No Uint8Array may
 * have one: V8 takes it for granted that all of them have the same shape, and drops the optimized code of all functions
 * that read bytes when the first is met that has not. Buffers are of a class of their own, and msgpackr gives them that
 * property anyway.
 */
export function unpackable(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
