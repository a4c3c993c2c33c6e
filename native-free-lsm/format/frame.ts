/**
 * A frame: u32 payload length, u32 tag, payload, zeros up to a multiple of 8. The rings between threads, logs and the
 * manifest consist of frames, so that a writer can put a run of frames into its log unchanged. Pure.
 */
import { readUint32, writeUint32 } from './integers.ts';

export const FRAME_HEADER_BYTES = 8;
/** Frames start and end at multiples of this, counted from the start of their ring or file. */
export const FRAME_ALIGNMENT_BYTES = 8;

/** @param payloadBytes without padding */
export function writeFrameHeader(target: Uint8Array, at: number, payloadBytes: number, tag: number): void {
  writeUint32(target, at, payloadBytes);
  writeUint32(target, at + 4, tag);
}

/** The payload size of the frame at `at`. */
export function frameLength(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at);
}

export function frameTag(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 4);
}

export function payloadStart(at: number): number {
  return at + FRAME_HEADER_BYTES;
}

/** Where the frame after the one at `at` starts, or where the run ends. */
export function nextFrame(bytes: Uint8Array, at: number): number {
  return at + frameBytes(readUint32(bytes, at));
}

/** The size of a payload's frame, with header and padding. */
export function frameBytes(payloadBytes: number): number {
  return FRAME_HEADER_BYTES + ((payloadBytes + FRAME_ALIGNMENT_BYTES - 1) & -FRAME_ALIGNMENT_BYTES);
}
