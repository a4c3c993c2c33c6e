/** The unit a disk writes whole: torn writes are modelled sector by sector. */
export const SECTOR_BYTES = 512;

/** Which of the unsynced bytes (or names) a power loss leaves; `torn` chooses by a seeded random function. */
export type Survival = 'lost' | 'kept' | 'torn';

/**
 * The bytes of one file of a `MemoryFileSystem`, twice over: as the page cache has them, which is what reads
 * see, and as the disk has them, which is what a power loss leaves.
 */
export class MemoryFile {
  /** Names and open descriptors that lead here: at none the room is free again. */
  references = 0;
  #cached: Uint8Array = new Uint8Array(0);
  #cachedLength = 0;
  #durable: Uint8Array = new Uint8Array(0);
  #durableLength = 0;
  /** The range of cached bytes that may differ from the disk's and that a sync would write. */
  #dirtyStart = Number.POSITIVE_INFINITY;
  #dirtyEnd = 0;

  static ofDurable(bytes: Uint8Array): MemoryFile {
    const file = new MemoryFile();
    file.write(bytes, 0);
    file.sync();
    return file;
  }

  get lengthBytes(): number {
    return this.#cachedLength;
  }

  /** The bytes a read would see; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#cached.subarray(0, this.#cachedLength);
  }

  read(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const end = Math.min(position + length, this.#cachedLength);
    if (end <= position) return 0;
    target.set(this.#cached.subarray(position, end), targetOffset);
    return end - position;
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    this.#cached = withCapacity(this.#cached, end);
    this.#cached.set(bytes, position);
    this.#markDirty(Math.min(position, this.#cachedLength), end);
    this.#cachedLength = Math.max(this.#cachedLength, end);
  }

  truncate(lengthBytes: number): void {
    if (lengthBytes < this.#cachedLength) this.#cached.fill(0, lengthBytes, this.#cachedLength);
    else this.#cached = withCapacity(this.#cached, lengthBytes);
    this.#markDirty(Math.min(lengthBytes, this.#cachedLength), Math.max(lengthBytes, this.#cachedLength));
    this.#cachedLength = lengthBytes;
  }

  sync(): void {
    const end = Math.min(this.#dirtyEnd, this.#cachedLength);
    this.#durable = withCapacity(this.#durable, this.#cachedLength);
    if (this.#durableLength > this.#cachedLength)
      this.#durable.fill(0, this.#cachedLength, this.#durableLength);
    if (end > this.#dirtyStart)
      this.#durable.set(this.#cached.subarray(this.#dirtyStart, end), this.#dirtyStart);
    this.#durableLength = this.#cachedLength;
    this.#forgetDirty();
  }

  /**
   * A failed sync, as Linux has it: the pages count as clean from now on though the disk never got them, so
   * that a later sync succeeds and still leaves a hole. Whoever goes on after a failed sync loses data here.
   */
  failSync(): void {
    this.#forgetDirty();
  }

  /** The file as a power loss leaves it. */
  afterPowerLoss(survival: Survival, random: () => number): MemoryFile {
    if (survival === 'kept') return MemoryFile.ofDurable(this.bytes);
    if (survival === 'lost') return MemoryFile.ofDurable(this.#durable.subarray(0, this.#durableLength));
    return MemoryFile.ofDurable(this.#tear(random));
  }

  /** Each sector as written or as before, in no order; a length anywhere between the old and the new one. */
  #tear(random: () => number): Uint8Array {
    const shorter = Math.min(this.#cachedLength, this.#durableLength);
    const longer = Math.max(this.#cachedLength, this.#durableLength);
    const spread = random();
    let length = shorter + Math.floor(random() * (longer - shorter + 1));
    if (spread < 0.25) length = this.#durableLength;
    else if (spread < 0.5) length = this.#cachedLength;
    const torn = new Uint8Array(length);
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      const source = sector(this.#cached, this.#cachedLength, at, length);
      const before = sector(this.#durable, this.#durableLength, at, length);
      if (Buffer.compare(source, before) === 0) torn.set(source, at);
      else torn.set(random() < 0.5 ? source : before, at);
    }
    return torn;
  }

  #markDirty(start: number, end: number): void {
    this.#dirtyStart = Math.min(this.#dirtyStart, start);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, end);
  }

  #forgetDirty(): void {
    this.#dirtyStart = Number.POSITIVE_INFINITY;
    this.#dirtyEnd = 0;
  }
}

function sector(bytes: Uint8Array, length: number, at: number, limit: number): Uint8Array {
  return bytes.subarray(Math.min(at, length), Math.min(at + SECTOR_BYTES, length, limit));
}

/** Bytes behind the length are zero at all times: a gap left by a write beyond the end reads as zeros. */
function withCapacity(bytes: Uint8Array, capacity: number): Uint8Array {
  if (bytes.length >= capacity) return bytes;
  const grown = new Uint8Array(Math.max(capacity, bytes.length * 2, 1024));
  grown.set(bytes);
  return grown;
}
