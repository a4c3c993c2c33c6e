/**
 * The two forms a write path can have, measured against each other in turns:
 *   pool   the engine as it is: a writer thread appends, syncs, inserts and publishes
 *   main   the main thread encodes, hands the log to fs.write and fs.fdatasync with callbacks, and inserts
 * Same bytes to the log, same memtable, same group commit; 64 puts in flight, keys of 10 bytes, records of 30.
 *
 *   node bench/engine/write-path.ts [--directory DIR] [--seconds 1] [--rounds 2]
 */
import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { FRAME_HEADER_BYTES, frameBytes } from '../../native-free-lsm/format/frame.ts';
import { writeUint32 } from '../../native-free-lsm/format/integers.ts';
import { type Durability, RecordStore, writeRecord } from '../../native-free-lsm/index.ts';
import { encodePut, putOperationBytes } from '../../native-free-lsm/log/write-operation.ts';
import { InsertStatus, Memtable } from '../../native-free-lsm/memtable/memtable.ts';

const IN_FLIGHT = 64;
const KEYS = 100_000;
const VALUE = Buffer.alloc(14, 'v');
const RECORD_BYTES = 16 + VALUE.length;
const BATCH_HEADER_BYTES = 32;
const ARENA_BYTES = 128 << 20;

interface WritePath {
  put(key: Uint8Array, record: Uint8Array, done: () => void): void;
  close(): Promise<void>;
}

class PoolPath implements WritePath {
  readonly #store: RecordStore;
  readonly #done: (() => void)[] = [];
  readonly #free: number[] = [];

  constructor(directory: string, durability: Durability) {
    this.#store = RecordStore.open(directory, {
      durability,
      memtableBytes: ARENA_BYTES,
      singleThread: false,
    });
  }

  put(key: Uint8Array, record: Uint8Array, done: () => void): void {
    const token = this.#free.pop() ?? this.#done.length;
    this.#done[token] = done;
    this.#store.write(key, record, this, token);
  }

  onWrite(token: number, _status: number, _timestamp: number, _writer: number, error: Error | null): void {
    if (error !== null) throw error;
    this.#free.push(token);
    this.#done[token]();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** Group commit without a thread: what gathers while a batch is being written is the next batch. */
class MainPath implements WritePath {
  readonly #fd: number;
  readonly #isSynced: boolean;
  readonly #memtable = new Memtable(new SharedArrayBuffer(ARENA_BYTES));
  #filling = new Batch();
  #writing = new Batch();
  #position = 0;
  #isBusy = false;
  #isDue = false;

  constructor(directory: string, durability: Durability) {
    this.#fd = openSync(join(directory, 'log'), 'w');
    this.#isSynced = durability === 'sync';
    this.#memtable.reset(1);
  }

  put(key: Uint8Array, record: Uint8Array, done: () => void): void {
    this.#filling.add(key, record, done);
    if (this.#isBusy || this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#start);
  }

  async close(): Promise<void> {
    closeSync(this.#fd);
  }

  readonly #start = (): void => {
    this.#isDue = false;
    if (this.#isBusy || this.#filling.puts === 0) return;
    this.#isBusy = true;
    [this.#filling, this.#writing] = [this.#writing, this.#filling];
    const { bytes, end } = this.#writing;
    writeUint32(bytes, 4, crc32(bytes.subarray(BATCH_HEADER_BYTES, end)));
    write(this.#fd, bytes, 0, end, this.#position, this.#onWritten);
    this.#position += end;
  };

  readonly #onWritten = (error: Error | null): void => {
    if (error !== null) throw error;
    if (this.#isSynced) fdatasync(this.#fd, this.#onSynced);
    else this.#onSynced(null);
  };

  readonly #onSynced = (error: Error | null): void => {
    if (error !== null) throw error;
    const batch = this.#writing;
    batch.insertInto(this.#memtable);
    this.#memtable.publish();
    this.#isBusy = false;
    batch.finish();
    this.#start();
  };
}

class Batch {
  readonly bytes = Buffer.alloc(1 << 20);
  end = BATCH_HEADER_BYTES;
  puts = 0;
  readonly #keyEnds: number[] = [];
  readonly #done: (() => void)[] = [];

  add(key: Uint8Array, record: Uint8Array, done: () => void): void {
    const payloadBytes = putOperationBytes(key.length, record.length);
    writeUint32(this.bytes, this.end, payloadBytes);
    encodePut(this.bytes, this.end + FRAME_HEADER_BYTES, key, record);
    // The fixed part of an operation has as many bytes as that of a frame.
    this.#keyEnds[this.puts] = this.end + 2 * FRAME_HEADER_BYTES + key.length;
    this.#done[this.puts++] = done;
    this.end += frameBytes(payloadBytes);
  }

  insertInto(memtable: Memtable): void {
    for (let i = 0; i < this.puts; i++) {
      const at = this.#keyEnds[i];
      const status = memtable.insert(this.bytes, at - 10, at, this.bytes, at, at + RECORD_BYTES);
      if (status === InsertStatus.full) throw new Error('the arena is too small for this run');
    }
  }

  finish(): void {
    const { puts } = this;
    this.puts = 0;
    this.end = BATCH_HEADER_BYTES;
    for (let i = 0; i < puts; i++) this.#done[i]();
  }
}

interface Figures {
  readonly putsPerSecond: number;
  readonly cpuMicrosPerPut: number;
  /** The CPU time of the main thread alone, which is what a node has least of. */
  readonly mainMicrosPerPut: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
}

async function measure(path: WritePath, seconds: number): Promise<Figures> {
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`k${String(i).padStart(9, '0')}`));
  let next = 0;
  let finished = 0;
  let stopped = false;
  const running: Promise<void>[] = [];
  for (let caller = 0; caller < IN_FLIGHT; caller++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const record = Buffer.alloc(RECORD_BYTES);
    const again = (): void => {
      finished++;
      if (stopped) resolve();
      else one();
    };
    const one = (): void => {
      const fields = { timestamp: ++next, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
      writeRecord(record, 0, fields, VALUE);
      path.put(keys[(next * 7919) % KEYS], record, again);
    };
    running.push(promise);
    one();
  }
  await pause(300);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = finished;
  const cpu = process.cpuUsage();
  const main = process.threadCpuUsage();
  const startMs = performance.now();
  await pause(seconds * 1000);
  const tookMs = performance.now() - startMs;
  const used = process.cpuUsage(cpu);
  const usedByMain = process.threadCpuUsage(main);
  const puts = finished - before;
  delay.disable();
  stopped = true;
  await Promise.all(running);
  return {
    putsPerSecond: (puts / tookMs) * 1000,
    cpuMicrosPerPut: (used.user + used.system) / puts,
    mainMicrosPerPut: (usedByMain.user + usedByMain.system) / puts,
    // The timer's own millisecond is subtracted.
    delayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - 1),
    delayMaxMs: Math.max(0, delay.max / 1e6 - 1),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: tmpdir() },
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '2' },
  },
});
for (const durability of ['sync', 'none'] as const) {
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const form of ['pool', 'main'] as const) {
      const directory = await mkdtemp(join(values.directory, 'write-path-'));
      const path =
        form === 'pool' ? new PoolPath(directory, durability) : new MainPath(directory, durability);
      const figures = await measure(path, Number(values.seconds));
      await path.close();
      await rm(directory, { recursive: true });
      console.log(
        `${durability.padEnd(5)} ${form}  ${Math.round(figures.putsPerSecond).toLocaleString('en').padStart(8)} puts/s  ` +
          `${figures.cpuMicrosPerPut.toFixed(2).padStart(6)} µs CPU/put, ${figures.mainMicrosPerPut.toFixed(2).padStart(5)} of main  loop delay p99 ${figures.delayP99Ms.toFixed(2)} ms, ` +
          `max ${figures.delayMaxMs.toFixed(2)} ms`,
      );
    }
  }
}
