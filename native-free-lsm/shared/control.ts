/**
 * The engine's control block: a few words that every thread of one engine shares. Each has ONE writer.
 *
 *   word                       writer           readers
 *   doorbell                   all pool threads main (waits on it)     counts responses published
 *   activeGeneration           writer thread    main, readers          number of the memtable being written
 *   spareArena                 see below                               arena the writer takes at its next rotation
 *   superVersionEpoch          main             pool threads           counts control messages posted
 *   stop                       main             pool threads           1: finish what is queued and return
 *   slowdownMicros             main             writer thread          pause after each batch
 *   sealRequests               main             writer thread          counts requests to seal the active memtable if it holds anything
 *   syncRequests               main             writer thread          counts writes to be synced whatever the durability
 *   syncFrames                 main             writer thread          frames pushed up to the last such write, with it
 *   cancelBackground           main             background threads     1: give up the running job
 *   stallFails                 main             writer thread          1: what the writer waits for is tried and fails
 *   notedGeneration            main             writer thread          first log of this run, once the manifest names it
 *   writerSuperVersionEpoch    writer thread    main                   superVersionEpoch up to which the writer has followed
 *   orderRequests              reader threads   writer thread          counts scans that found keys which are in no order
 *   generationArena[g mod 16]  writer thread    all                    arena of generation g
 *   tableReads[thread]         that thread      main                   data blocks read from disk
 *   tableReadBytes[thread]     that thread      main                   their bytes in KiB, so that 32 bits last
 *   requestBell                main             single thread (waits)  counts what main has published or posted for it
 *   tasksPosted                main             single thread          counts tasks posted to it
 *
 * `spareArena` is a one-place mailbox: main stores arena + 1 only while it is 0, the writer alone turns it back
 * into 0; a store and an exchange, so neither can undo the other.
 *
 * Invariant: a thread that loads activeGeneration g sees generationArena of every generation up to g that is
 * still in a super-version, because the writer stores the arena before the generation.
 */
export const ControlWord = {
  doorbell: 0,
  activeGeneration: 1,
  spareArena: 2,
  superVersionEpoch: 3,
  stop: 4,
  slowdownMicros: 5,
  cancelBackground: 6,
  /** Never changes: a thread that only wants to pause waits on it. */
  pause: 7,
  sealRequests: 8,
  writerSuperVersionEpoch: 9,
  notedGeneration: 10,
  syncRequests: 11,
  syncFrames: 12,
  stallFails: 13,
  orderRequests: 14,
  generationArena: 16,
  tableReads: 32,
  tableReadKib: 64,
  requestBell: 96,
  tasksPosted: 97,
} as const;

export const GENERATION_SLOTS = 16;
export const MAX_COUNTED_THREADS = 32;
const CONTROL_WORDS = 98;

export function createControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The arena index of a generation that is still in a super-version. */
export function arenaOfGeneration(words: Int32Array, generation: number): number {
  // Ordered after the load of activeGeneration, so that the arena stored before it is visible.
  return Atomics.load(words, ControlWord.generationArena + (generation & (GENERATION_SLOTS - 1)));
}
