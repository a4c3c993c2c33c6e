/**
 * The cache of decompressed data blocks in shared memory, under one budget for all threads. This class is the
 * main thread's: it alone allocates, publishes and evicts. Pool threads fill what was reserved for them and
 * search through `BlockCacheReader`.
 *
 * Blocks of any size follow one another in a ring, so that memory does not fragment (cache-layout.ts draws it):
 *
 *    reclaimed        hand                                      head       reclaimed + capacity
 *        |   limbo     |   live, oldest first                     |   free         |
 *
 * New blocks go to the head. The hand evicts at the other end, a little ahead of need: a block used since it
 * was written is copied to the head once (FIFO with a second chance, as CLOCK does), any other leaves the index.
 * Regions the hand has passed are in limbo until no thread can be reading them any more; the epoch domain says
 * when, a batch of them at a time. So a region is never written to while somebody may read it.
 *
 * Copies at most `MAX_COPIES` blocks and `MAX_COPY_BYTES` bytes for one reservation: a copy within shared memory
 * costs 1 µs for 4 KiB, and this is the main thread. Where that is not enough, used blocks go too.
 *
 * A region being filled is never passed: `reserve` answers -1 until it is published or cancelled.
 *
 * Once the cache is full, a block that was missed deserves a place only when it was missed before, lately (`deserves`):
 * what is read once pushes out nothing and costs no eviction.
 */
import { LsmError } from '../errors.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import { BlockIndex } from './block-index.ts';
import {
  dataEnd,
  lengthWord,
  ordinalWord,
  REGION_UNIT_BYTES,
  RegionState,
  regionBytes,
  slotStart,
  stateByte,
  tableWord,
  usedByte,
} from './cache-layout.ts';
import { MissedBlocks } from './missed-blocks.ts';

export { createBlockCacheMemory } from './cache-layout.ts';

const MAX_COPIES = 8;
/** How many removed tables are remembered. A block of a forgotten one may get its second chance after all. */
const MAX_REMOVED = 4096;
const MAX_COPY_BYTES = 64 << 10;
/** The share of the capacity that limbo and free space take together, once the cache is full. */
const GAP_SHARE = 1 / 16;
/** The share of the capacity whose evicted bytes are retired together. */
const BATCH_SHARE = 1 / 64;
/** Blocks larger than this share of the capacity are not cached. */
const LARGEST_BLOCK_SHARE = 1 / 16;

export class BlockCache {
  readonly bytes: Uint8Array;
  /** How often `find` found a block. */
  hits = 0;
  misses = 0;
  readonly #words: Int32Array;
  readonly #index: BlockIndex;
  readonly #epochs: EpochDomain;
  readonly #capacity: number;
  /** Positions count the bytes ever passed: see the drawing above. */
  #reclaimed = 0;
  #retired = 0;
  #hand = 0;
  #head = 0;
  #usedBytes = 0;
  /** How many copies the current reservation may still make. */
  #copiesLeft = 0;
  #copyBytesLeft = 0;
  readonly #missed: MissedBlocks;
  /** Removed tables, each with the position up to which its blocks can lie. */
  readonly #removed = new Map<number, number>();

  constructor(memory: SharedArrayBuffer, epochs: EpochDomain) {
    this.bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#index = new BlockIndex(memory);
    this.#capacity = dataEnd(memory) - REGION_UNIT_BYTES;
    this.#epochs = epochs;
    this.#missed = new MissedBlocks(this.#capacity);
  }

  /** The slot of a published block, or -1. It is valid until the next `reserve`, so use it in the same turn. */
  find(tableId: number, ordinal: number): number {
    const slot = this.#index.find(tableId, ordinal);
    if (slot === 0 || this.bytes[stateByte(slot)] !== RegionState.published) {
      this.misses++;
      return -1;
    }
    this.hits++;
    // Only if it is not set: other threads have this cache line too.
    if (this.bytes[usedByte(slot)] === 0) this.bytes[usedByte(slot)] = 1;
    return slot;
  }

  dataStart(slot: number): number {
    return slotStart(slot);
  }

  dataEnd(slot: number): number {
    return slotStart(slot) + this.#words[lengthWord(slot)];
  }

  /** Where the block of a slot that was just found lies in the ring: see `holds`. */
  positionOf(slot: number): number {
    const offset = offsetOf(slot);
    const behind = (this.#head - offset) % this.#capacity;
    return this.#head - (behind === 0 ? this.#capacity : behind);
  }

  /** Whether the block that was at a position is still there, unchanged. A copy of it has a position of its own. */
  holds(position: number): boolean {
    return position >= this.#hand;
  }

  /**
   * Whether a block that was missed, which this is told once for each miss, is worth what it would push out: it was
   * missed before, lately, or it pushes out nothing. After W-TinyLFU's and 2Q's way of admitting; see DESIGN.md for
   * what it does for the share of hits.
   */
  deserves(tableId: number, ordinal: number): boolean {
    // It is remembered in any case: the cache may be full at its next miss.
    const isAgain = this.#missed.missed(tableId, ordinal);
    return isAgain || this.#hasSpare();
  }

  /**
   * Reserves a region for a block that a thread is about to read; fill it completely, then call `publish` or `cancel`.
   * Returns -1 when the block is there or being filled already, when it is too large, or when there is no room now.
   */
  reserve(tableId: number, ordinal: number, lengthBytes: number): number {
    const size = regionBytes(lengthBytes);
    if (size > this.#capacity * LARGEST_BLOCK_SHARE || this.#index.find(tableId, ordinal) !== 0) return -1;
    this.#copiesLeft = MAX_COPIES;
    this.#copyBytesLeft = MAX_COPY_BYTES;
    this.#evictFor(size);
    if (this.#index.full || !this.#hasRoom(size)) {
      this.#retirePassed();
      this.#epochs.collect();
      if (this.#index.full || !this.#hasRoom(size)) return -1;
    }
    const slot = this.#allocate(tableId, ordinal, lengthBytes, RegionState.filling);
    this.#index.set(tableId, ordinal, slot);
    this.#usedBytes += size;
    return slot;
  }

  /** The reserved region now holds its block. Call it after the filler's completion has been received. */
  publish(slot: number): void {
    this.#checkFilling(slot);
    // Release: the block, filled by a thread whose completion we received, before its state.
    Atomics.store(this.bytes, stateByte(slot), RegionState.published);
  }

  /** Gives a reservation up. Call it when its filler has stopped or is dead. */
  cancel(slot: number): void {
    this.#checkFilling(slot);
    this.#drop(slot);
    // Atomic only because all stores of states are; no reader can find the region any more.
    Atomics.store(this.bytes, stateByte(slot), RegionState.dead);
  }

  /**
   * The table is gone, and its id never comes back. Its blocks get no second chance. They stay until the hand passes
   * them, because free space in the middle of the ring is of no use, and old snapshots may still read them.
   */
  removeTable(tableId: number): void {
    if (this.#hand === this.#head) return;
    this.#removed.set(tableId, this.#head);
    if (this.#removed.size <= MAX_REMOVED) return;
    // Forget the table that was removed first: when everything fits the hand never comes round, and tables are removed
    // all the time.
    for (const oldest of this.#removed.keys()) {
      this.#removed.delete(oldest);
      break;
    }
  }

  /** Bytes of live regions: published blocks and those being filled, with headers and padding. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes from the head to the end of a region of that size: more when it starts a new lap. */
  #stretch(size: number): number {
    const lapRest = this.#capacity - (this.#head % this.#capacity);
    return size <= lapRest ? size : lapRest + size;
  }

  #hasRoom(size: number): boolean {
    return this.#head + this.#stretch(size) <= this.#reclaimed + this.#capacity;
  }

  /** Whether a block would push out nothing that may be of use. */
  #hasSpare(): boolean {
    const ahead = this.#hand + this.#capacity - this.#head;
    if (ahead >= this.#capacity * (GAP_SHARE + BATCH_SHARE) && !this.#index.full) return true;
    if (this.#removed.size === 0) return false;
    const slot = slotAt(this.#hand % this.#capacity);
    return (
      this.bytes[stateByte(slot)] === RegionState.published &&
      this.#removed.has(this.#words[tableWord(slot)] >>> 0)
    );
  }

  /**
   * Moves the hand until a region of that size and the gap fit behind it, or until it meets a region that is being
   * filled.
   */
  #evictFor(size: number): void {
    const gap = this.#capacity * GAP_SHARE;
    while (this.#hand < this.#head) {
      const ahead = this.#hand + this.#capacity - this.#head;
      if (ahead >= this.#stretch(size) + gap && !this.#index.full) break;
      if (!this.#passRegion()) break;
    }
    if (this.#hand - this.#retired >= this.#capacity * BATCH_SHARE) this.#retirePassed();
  }

  /** Moves the hand over one region; returns false when that is being filled. */
  #passRegion(): boolean {
    const offset = this.#hand % this.#capacity;
    const slot = slotAt(offset);
    const state = this.bytes[stateByte(slot)];
    if (state === RegionState.filling) return false;
    if (state === RegionState.skipped) {
      this.#hand += this.#capacity - offset;
      return true;
    }
    const length = this.#words[lengthWord(slot)];
    if (state === RegionState.published && !this.#copyToHead(slot, length)) this.#drop(slot);
    this.#hand += regionBytes(length);
    return true;
  }

  /** Gives a block its second chance; returns false when it has none or there is no room. */
  #copyToHead(slot: number, length: number): boolean {
    if (this.bytes[usedByte(slot)] === 0 || this.#copiesLeft === 0 || length > this.#copyBytesLeft)
      return false;
    const tableId = this.#words[tableWord(slot)] >>> 0;
    if (this.#removed.has(tableId) || !this.#hasRoom(regionBytes(length))) return false;
    this.#copiesLeft--;
    this.#copyBytesLeft -= length;
    const ordinal = this.#words[ordinalWord(slot)] >>> 0;
    const from = slotStart(slot);
    const copy = this.#allocate(tableId, ordinal, length, RegionState.published);
    this.bytes.copyWithin(slotStart(copy), from, from + length);
    // Only now, so that readers find one region or the other, both complete.
    this.#index.set(tableId, ordinal, copy);
    return true;
  }

  /** Takes a region at the head and writes its header; the caller has made sure of the room. */
  #allocate(tableId: number, ordinal: number, length: number, state: number): number {
    const size = regionBytes(length);
    const lapRest = this.#capacity - (this.#head % this.#capacity);
    if (size > lapRest) {
      this.bytes[stateByte(slotAt(this.#capacity - lapRest))] = RegionState.skipped;
      this.#head += lapRest;
    }
    const slot = slotAt(this.#head % this.#capacity);
    this.#head += size;
    this.#words[tableWord(slot)] = tableId;
    this.#words[ordinalWord(slot)] = ordinal;
    this.#words[lengthWord(slot)] = length;
    this.bytes[stateByte(slot)] = state;
    this.bytes[usedByte(slot)] = 0;
    return slot;
  }

  /** Removes a block from the index; its region is reused when its turn comes. */
  #drop(slot: number): void {
    this.#index.delete(this.#words[tableWord(slot)] >>> 0, this.#words[ordinalWord(slot)] >>> 0);
    this.#usedBytes -= regionBytes(this.#words[lengthWord(slot)]);
  }

  /** Has the regions that the hand has passed reclaimed once no thread can be reading them. */
  #retirePassed(): void {
    const end = this.#hand;
    if (end === this.#retired) return;
    this.#retired = end;
    this.#epochs.retire(() => {
      this.#reclaimed = end;
    });
    for (const [tableId, position] of this.#removed) if (position <= end) this.#removed.delete(tableId);
  }

  #checkFilling(slot: number): void {
    if (this.bytes[stateByte(slot)] === RegionState.filling) return;
    throw new LsmError('INVALID_ARGUMENT', `cache slot ${slot} is not being filled`);
  }
}

/**
 * The slot of the region at an offset of the ring. The ring starts behind the first unit, and a region's block one unit
 * after its header.
 */
function slotAt(offset: number): number {
  return offset / REGION_UNIT_BYTES + 2;
}

function offsetOf(slot: number): number {
  return (slot - 2) * REGION_UNIT_BYTES;
}
