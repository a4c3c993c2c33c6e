/** The unit a disk writes whole: torn writes are modelled sector by sector. */
export const SECTOR_BYTES = 512;

/** Which of the unsynced bytes (or names) a power loss leaves; `torn` chooses by a seeded random function. */
export type Survival = 'lost' | 'kept' | 'torn';

/** One write or truncation: the sectors that it touched, as the page cache had them just after it. */
interface Change {
  /** The beginning of a sector. */
  readonly start: number;
  readonly bytes: Uint8Array;
  /** The length of the file just after it. */
  readonly lengthBytes: number;
}

/**
 * The bytes of one file of a `MemoryFileSystem`, in two states: as the page cache has them, which is what reads see,
 * and as the disk has them, which is what a power loss leaves. The changes since the last sync are between the two; the
 * disk may have any part of them.
 */
export class MemoryFile {
  /** How many names and open descriptors lead here: without any, the room is free again. */
  references = 0;
  mode = PRIVATE_FILE_MODE;
  #cached: Uint8Array = NO_BYTES;
  #cachedLength = 0;
  #durable: Uint8Array = NO_BYTES;
  #durableLength = 0;
  /** Others hold the same array, so it is copied before it is written to. */
  #cachedShared = true;
  #durableShared = true;
  /** In the order in which they were made. */
  #unsynced: Change[] = [];
  /** How many of them a failed sync has given up. */
  #givenUp = 0;

  /** A durable file; `bytes`, no Buffer, must not change any more. */
  static ofDurable(bytes: Uint8Array): MemoryFile {
    const file = new MemoryFile();
    file.#cached = bytes;
    file.#cachedLength = bytes.length;
    file.#durable = bytes;
    file.#durableLength = bytes.length;
    return file;
  }

  get lengthBytes(): number {
    return this.#cachedLength;
  }

  /** The bytes that a read would see; valid until the next write. */
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
    this.#ownCached(end);
    this.#cached.set(bytes, position);
    const start = Math.min(position, this.#cachedLength);
    this.#cachedLength = Math.max(this.#cachedLength, end);
    this.#changed(start, end);
  }

  truncate(lengthBytes: number): void {
    const before = this.#cachedLength;
    this.#ownCached(lengthBytes);
    if (lengthBytes < before) this.#cached.fill(0, lengthBytes, before);
    this.#cachedLength = lengthBytes;
    this.#changed(Math.min(lengthBytes, before), Math.max(lengthBytes, before));
  }

  sync(): void {
    const changes = this.#unsynced.slice(this.#givenUp);
    this.#unsynced = [];
    this.#givenUp = 0;
    if (changes.length === 0) return;
    const longer = Math.max(this.#cachedLength, this.#durableLength);
    if (this.#durableShared) this.#durable = this.#durable.slice();
    this.#durableShared = false;
    this.#durable = withCapacity(this.#durable, longer);
    for (const { start, bytes } of changes) {
      const end = Math.min(start + bytes.length, this.#cachedLength);
      if (end > start) this.#durable.set(this.#cached.subarray(start, end), start);
    }
    this.#durable.fill(0, this.#cachedLength);
    this.#durableLength = this.#cachedLength;
  }

  /**
   * A failed sync, as on Linux: the pages count as clean from now on though the disk never got them, so a later sync
   * succeeds and still leaves a hole. A program that goes on after a failed sync loses data here.
   */
  failSync(): void {
    this.#givenUp = this.#unsynced.length;
  }

  /** The file after its process was killed: the system still has its bytes, and still has to write them to the disk. */
  afterKill(): MemoryFile {
    const file = new MemoryFile();
    this.#cachedShared = true;
    this.#durableShared = true;
    file.#cached = this.#cached;
    file.#cachedLength = this.#cachedLength;
    file.#durable = this.#durable;
    file.#durableLength = this.#durableLength;
    file.#unsynced = [...this.#unsynced];
    file.#givenUp = this.#givenUp;
    file.mode = this.mode;
    return file;
  }

  /**
   * The file as a power loss leaves it.
   * @param residue bytes of removed files, which may appear where the file grew and nothing was written
   */
  afterPowerLoss(survival: Survival, random: () => number, residue: Uint8Array = NO_BYTES): MemoryFile {
    const left = this.#bytesAfterPowerLoss(survival, random, residue);
    left.mode = this.mode;
    return left;
  }

  #bytesAfterPowerLoss(survival: Survival, random: () => number, residue: Uint8Array): MemoryFile {
    if (survival === 'kept') {
      this.#cachedShared = true;
      return MemoryFile.ofDurable(this.bytes);
    }
    if (survival === 'torn' && this.#unsynced.length > 0) {
      return MemoryFile.ofDurable(this.#tear(random, residue));
    }
    this.#durableShared = true;
    return MemoryFile.ofDurable(this.#durable.subarray(0, this.#durableLength));
  }

  /**
   * Keeps any part of the unsynced changes, by sectors: each sector as it was at any moment since the last sync. The
   * length is that after any of the changes, or in between, because it is not part of the data. What was never written
   * within it is zeros, noise, or what a removed file has left there.
   */
  #tear(random: () => number, residue: Uint8Array): Uint8Array {
    const changes = this.#unsynced;
    const ordered = random() < 0.25;
    const reached = Math.floor(random() * (changes.length + 1));
    const length = this.#tornLength(ordered ? reached : Math.floor(random() * (changes.length + 1)), random);
    const torn = new Uint8Array(length);
    torn.set(this.#durable.subarray(0, Math.min(length, this.#durableLength)));
    fillGap(torn, this.#durableLength, random, residue);
    for (const [i, { start, bytes }] of changes.entries()) {
      // In order, like a disk without a queue: whole, except for the last. Otherwise each change in whole, in part or
      // not at all.
      const share = ordered
        ? i < reached
          ? 1
          : i === reached
            ? random()
            : 0
        : SHARES[Math.floor(random() * 3)];
      for (let at = start; at < start + bytes.length && at < length; at += SECTOR_BYTES) {
        if (random() >= share) continue;
        torn.set(bytes.subarray(at - start, Math.min(at - start + SECTOR_BYTES, length - start)), at);
      }
    }
    return torn;
  }

  #tornLength(reached: number, random: () => number): number {
    const at = (count: number): number =>
      count === 0 ? this.#durableLength : this.#unsynced[count - 1].lengthBytes;
    if (reached === 0 || random() < 0.75) return at(reached);
    const [shorter, longer] = [at(reached - 1), at(reached)].sort((a, b) => a - b);
    return shorter + Math.floor(random() * (longer - shorter + 1));
  }

  #changed(from: number, to: number): void {
    const start = from - (from % SECTOR_BYTES);
    const end = Math.ceil(to / SECTOR_BYTES) * SECTOR_BYTES;
    const bytes = new Uint8Array(end - start);
    bytes.set(this.#cached.subarray(start, Math.min(end, this.#cachedLength)));
    this.#unsynced.push({ start, bytes, lengthBytes: this.#cachedLength });
  }

  #ownCached(capacity: number): void {
    if (this.#cachedShared) this.#cached = this.#cached.slice();
    this.#cachedShared = false;
    this.#cached = withCapacity(this.#cached, capacity);
  }
}

const NO_BYTES = new Uint8Array(0);
const PRIVATE_FILE_MODE = 0o600;
/** How many of a change's sectors reach the disk. */
const SHARES = [0, 0.5, 1] as const;

/** What the sectors behind `from` hold before they are written for the first time. */
function fillGap(torn: Uint8Array, from: number, random: () => number, residue: Uint8Array): void {
  const kind = random();
  if (kind < 0.5) return;
  for (let at = Math.ceil(from / SECTOR_BYTES) * SECTOR_BYTES; at < torn.length; at++) {
    torn[at] = kind < 0.75 || at >= residue.length ? random() * 256 : residue[at];
  }
}

/** Bytes behind the length are always zero, so that a gap left by a write beyond the end reads as zeros. */
function withCapacity(bytes: Uint8Array, capacity: number): Uint8Array {
  if (bytes.length >= capacity) return bytes;
  const grown = new Uint8Array(Math.max(capacity, bytes.length * 2, 1024));
  grown.set(bytes);
  return grown;
}
