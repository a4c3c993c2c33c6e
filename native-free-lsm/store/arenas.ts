import { outOfMemory } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import { createArena } from '../memtable/arena-layout.ts';
import { Memtable } from '../memtable/memtable.ts';
import { arenaOfGeneration, ControlWord, GENERATION_SLOTS } from '../shared/control.ts';

interface Arena {
  readonly memory: SharedArrayBuffer;
  readonly memtable: Memtable;
  /** -1 while it is free. */
  generation: number;
}

/**
 * The arenas in which memtables live. Main decides which are free; the writer takes the one that is offered in the
 * mailbox word and makes it that of the next generation. An arena is free again once its generation is flushed and no
 * super-version names it.
 */
export class Arenas {
  readonly #words: Int32Array;
  readonly #arenaBytes: number;
  readonly #maxArenas: number;
  readonly #hashSeed: HashSeed;
  readonly #arenas: Arena[] = [];
  #offered = -1;

  constructor(control: SharedArrayBuffer, arenaBytes: number, maxArenas: number, hashSeed: HashSeed) {
    this.#words = new Int32Array(control);
    this.#arenaBytes = arenaBytes;
    this.#hashSeed = hashSeed;
    this.#maxArenas = Math.min(maxArenas, GENERATION_SLOTS - 1);
  }

  get memories(): SharedArrayBuffer[] {
    return this.#arenas.map((arena) => arena.memory);
  }

  get activeGeneration(): number {
    // Loaded before the arena that it names: see the invariant in control.ts.
    return Atomics.load(this.#words, ControlWord.activeGeneration);
  }

  memtable(generation: number): Memtable {
    return this.#arenas[arenaOfGeneration(this.#words, generation)].memtable;
  }

  memory(generation: number): SharedArrayBuffer {
    return this.#arenas[arenaOfGeneration(this.#words, generation)].memory;
  }

  /** Takes over the memtable of a replayed log. Call it only before the writer runs. */
  adopt(generation: number, memory: SharedArrayBuffer): void {
    const index = this.#add(memory);
    this.#arenas[index].generation = generation;
    this.#place(generation, index);
  }

  /** Prepares the generation with which the writer starts; until then, main is the memtable's writer. */
  begin(generation: number): number {
    const index = this.#add(createArena(this.#arenaBytes, this.#hashSeed));
    this.#arenas[index].generation = generation;
    this.#arenas[index].memtable.reset(generation);
    this.#place(generation, index);
    // After the place of its arena, as the writer does it: see the invariant in control.ts.
    Atomics.store(this.#words, ControlWord.activeGeneration, generation);
    return index;
  }

  /**
   * Takes over a memtable that was filled by main itself, as the newest: in a store that has no writer.
   * @param announce has the pool threads know the arena
   */
  succeed(
    generation: number,
    memory: SharedArrayBuffer,
    announce: (index: number, memory: SharedArrayBuffer) => void,
  ): void {
    const index = this.#add(memory);
    this.#arenas[index].generation = generation;
    announce(index, memory);
    this.#place(generation, index);
    // After the place of its arena, as the writer does it: see the invariant in control.ts.
    Atomics.store(this.#words, ControlWord.activeGeneration, generation);
  }

  /**
   * Offers the writer a free arena for its next rotation, if none is on offer.
   * @returns false: there is none, nor memory for another
   */
  offer(announce: (index: number, memory: SharedArrayBuffer) => void): boolean {
    if (this.#offered >= 0) return true;
    let index = this.#arenas.findIndex(
      (arena) => arena.generation === -1 && arena.memory.byteLength === this.#arenaBytes,
    );
    if (index === -1) {
      if (this.#inUse >= this.#maxArenas) return false;
      try {
        index = this.#add(createArena(this.#arenaBytes, this.#hashSeed));
      } catch (error) {
        // It is as if all were in use: the writer waits for one.
        if (outOfMemory('a memtable', error) === undefined) throw error;
        return false;
      }
      announce(index, this.#arenas[index].memory);
    }
    this.#offered = index;
    // The mailbox is empty (it was emptied, or never filled), and only main fills it.
    Atomics.store(this.#words, ControlWord.spareArena, index + 1);
    return true;
  }

  /** The writer has taken the arena on offer. */
  taken(generation: number): void {
    if (this.#offered >= 0) this.#arenas[this.#offered].generation = generation;
    this.#offered = -1;
  }

  /** Nobody reads generations below this one any more. */
  release(below: number): void {
    for (const arena of this.#arenas) {
      if (arena.generation >= 0 && arena.generation < below) arena.generation = -1;
    }
  }

  get #inUse(): number {
    return this.#arenas.reduce((count, arena) => count + (arena.generation >= 0 ? 1 : 0), 0);
  }

  #place(generation: number, index: number): void {
    // No thread runs yet, or none looks before the generation's number is stored after it.
    Atomics.store(this.#words, ControlWord.generationArena + (generation & (GENERATION_SLOTS - 1)), index);
  }

  #add(memory: SharedArrayBuffer): number {
    // A recovered arena of another size is never used again, but its place is.
    const replaced = this.#arenas.findIndex(
      (arena) => arena.generation === -1 && arena.memory.byteLength !== this.#arenaBytes,
    );
    const arena: Arena = { memory, memtable: new Memtable(memory), generation: -1 };
    if (replaced === -1) return this.#arenas.push(arena) - 1;
    this.#arenas[replaced] = arena;
    return replaced;
  }
}
