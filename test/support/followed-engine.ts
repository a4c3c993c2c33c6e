/**
 * An engine whose folder is read beside it: a seeded run of its writer, noted call by call, and a reader that looks
 * between these calls, and while they are made between its own. Whatever it shows must be what the writer had at one
 * moment: all writes up to one, and none after it.
 */
import assert from 'node:assert/strict';
import {
  type EngineClock,
  type EngineOptions,
  EngineReader,
  isTombstone,
  type KeyedRecord,
  LsmError,
  RecordStore,
  recordTimestamp,
  recordValueStart,
  type Snapshot,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { BATCH_HEADER_BYTES } from '../../native-free-lsm/log/log-format.ts';
import { dumpEntries, FrozenFolder, statFolder, verifyFolder } from '../../native-free-lsm/offline/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';
import { record } from './engine-calls.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from './engine-simulation.ts';
import { DiskReads, FileJournal, type JournaledFileSystem, type JournalReplay } from './file-journal.ts';
import { HASH_SEED } from './hash-flood.ts';
import { packRuns } from './packed-runs.ts';

const DIRECTORY = '/db';
const KEYS = 40;
/** A reader has four memtables of such a log: each is twice as large as the one before. */
const LONG_MEMTABLE_BYTES = 1024 * 1024;
/** Of the chances of a step: those from here on are writes into the log. */
const FIRST_WRITE = 12;
const FROM_OUTSIDE = 'from-outside';
/** No run takes records from outside as often. */
const MAX_INGESTED = 15;
const KEY_NAMES = [
  ...Array.from({ length: KEYS }, (_, key) => `key${key}`),
  ...Array.from({ length: MAX_INGESTED * 3 }, (_, i) => `${FROM_OUTSIDE}${1 + Math.floor(i / 3)}.${i % 3}`),
];

/** What the folder held after each write, and which of these a reader may show that looks at a moment. */
interface FollowedRun {
  readonly journal: FileJournal;
  /** By number of writes. */
  readonly states: readonly string[];
  /** Where in the journal each was asked for, and where it was acknowledged. */
  readonly asked: readonly number[];
  readonly acknowledged: readonly number[];
}

/** A range of keys that was cleared. */
interface Cleared {
  readonly start: Buffer;
  readonly end: Buffer;
  readonly timestamp: number;
}

interface State {
  readonly records: Map<string, Uint8Array>;
  readonly cleared: Cleared[];
}

interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  /** How much later flushes and compactions begin: meanwhile several logs wait. */
  readonly backgroundDelayMs: number;
  /**
   * How likely a sync of the manifest fails, or that of the mark at a log's end: then what readers may have seen is
   * taken back, or done again in another way. Records from outside and large batches, which are lost then, are left out.
   */
  readonly failing?: number;
  /**
   * Whether logs grow to some hundred KiB before they end: then a reader has several memtables of one log, of which the
   * writer has one, and knows of late versions that they are hidden by what an earlier one has.
   */
  readonly longLogs?: boolean;
  /** Whether the writer is also killed at any call of a flush, of a compaction, of its close and of its next opening. */
  readonly dies?: boolean;
}

/** Writes of all kinds, one or several at a time, ranges that are cleared, flushes, compactions, restarts and kills. */
export async function runFollowed({
  backgroundDelayMs,
  dies = false,
  failing = 0,
  longLogs = false,
  seed,
  steps,
}: RunOptions): Promise<FollowedRun> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const journal = new FileJournal();
  const state: State = { records: new Map(), cleared: [] };
  const states = [shown(state)];
  const asked = [0];
  const acknowledged = [0];
  let timestamp = 10_000;
  let ingested = 0;
  const put = (): KeyedRecord => {
    const isLate = below(8) === 0;
    const isLarge = below(longLogs ? 2 : 10) === 0;
    const value = below(6) === 0 ? null : Buffer.alloc(isLarge ? below(9000) : below(400), `${timestamp}.`);
    timestamp += 10;
    // Now and then a version that is older than the key's newest one.
    const version = isLate ? timestamp - below(longLogs ? 300 : 30) * 10 - 5 : timestamp;
    return { key: Buffer.from(`key${below(KEYS)}`), record: record(version, value) };
  };
  const write = async (puts: readonly KeyedRecord[], call: () => Promise<unknown>): Promise<void> => {
    const index = states.length;
    for (const { key, record } of puts) apply(state, key.toString(), record);
    states.push(shown(state));
    asked.push(journal.steps.length);
    acknowledged.push(Number.POSITIVE_INFINITY);
    await call();
    acknowledged[index] = journal.steps.length;
  };

  const failsToSync = (path: string, lastWriteBytes: number): boolean =>
    (path.includes('MANIFEST') || (path.endsWith('.log') && lastWriteBytes === BATCH_HEADER_BYTES)) &&
    random() < failing;
  // A log that is synced batch by batch has room ahead of them.
  const durability: EngineOptions['durability'] = seed % 2 === 0 ? 'none' : 'sync';
  const options = {
    ...TINY_OPTIONS,
    durability,
    ...(longLogs ? { memtableBytes: LONG_MEMTABLE_BYTES } : {}),
  };
  const open = () => openWriter(journal, options, backgroundDelayMs, failsToSync);
  const job = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (failing === 0) throw error;
    }
  };
  const dieOpening = (calls: number): void => {
    const fs = journal.process();
    fs.killAfter(calls);
    try {
      openWriterOn(fs, options, backgroundDelayMs);
    } catch {}
    fs.kill();
  };
  let process = open();
  for (let step = 0; step < steps; step++) {
    const { simulation, store } = process;
    const chance = longLogs && below(16) > 0 ? FIRST_WRITE + below(40 - FIRST_WRITE) : below(40);
    if (chance < 2) {
      await job(simulation.settle(store.close()));
      process = open();
    } else if (chance < 4) {
      process.fs.kill();
      process = open();
    } else if (dies && chance < 6) {
      // At any call of a job that has no writes in it, and then of an opening: nobody need ask which writes were lost.
      process.fs.killAfter(below(40));
      const calls = [() => store.flush(), () => store.compact(), () => store.close()];
      await simulation.settle(calls[below(calls.length)]()).catch(() => undefined);
      process.fs.kill();
      for (let tries = below(3); tries > 0; tries--) dieOpening(below(60));
      process = open();
    } else if (chance < 6) await job(simulation.settle(store.flush()));
    // What is written meanwhile goes to the next log. A stop ends it early.
    else if (chance === 6) store.flush().catch(() => undefined);
    else if (chance === 7) await job(simulation.settle(store.compact()));
    else if (chance < 11 && ingested < MAX_INGESTED && failing === 0) {
      const name = ++ingested;
      const records = Array.from({ length: 3 }, (_, i) => ({
        key: Buffer.from(`${FROM_OUTSIDE}${name}.${i}`),
        record: record(10 + name, `${name}.${i}`),
      }));
      const { entries, pieces } = packRuns([records]);
      const [first, last] = [records[0].key, records[2].key];
      const range = { largestTimestamp: 10 + name, smallestKey: first, largestKey: last };
      await write(records, () => simulation.settle(store.ingest({ entries, runs: pieces, ...range })));
    } else if (chance === 11 && failing === 0) {
      // More than a memtable takes: it goes into tables directly.
      const puts = Array.from({ length: KEYS }, (_, key) => {
        timestamp += 10;
        return {
          key: Buffer.from(`key${key}`),
          record: record(timestamp, Buffer.alloc(2000, `${timestamp}.`)),
        };
      });
      await write(puts, () => simulation.settle(writeBatch(store, puts)));
    } else if (chance < FIRST_WRITE + 2) {
      const [start, end] = [`key${below(KEYS)}`, `key${below(KEYS)}`].sort().map((key) => Buffer.from(key));
      timestamp += 10;
      const cleared = { start, end, timestamp };
      state.cleared.push(cleared);
      await write([], () => simulation.settle(untilTaken(() => clear(store, cleared))));
    } else if (chance < 18) {
      const puts = [...new Map([put(), put(), put()].map((one) => [one.key.toString(), one])).values()];
      await write(puts, () => simulation.settle(untilTaken(() => writeBatch(store, puts))));
    } else {
      const calls: Promise<void>[] = [];
      // One that has to be tried again comes behind the others.
      for (let i = failing > 0 ? 0 : below(5); i >= 0; i--) {
        const one = put();
        calls.push(write([one], () => untilTaken(() => writeBatch(store, [one]))));
      }
      await simulation.settle(Promise.all(calls));
    }
  }
  await job(process.simulation.settle(process.store.close()));
  return { journal, states, asked, acknowledged };
}

function openWriter(
  journal: FileJournal,
  options: Partial<EngineOptions>,
  backgroundDelayMs: number,
  failsToSync: (path: string, lastWriteBytes: number) => boolean,
) {
  // What an opening cannot do is thrown by it, and nobody would go on.
  let isOpen = false;
  const fs = journal.process((path, lastWriteBytes) => isOpen && failsToSync(path, lastWriteBytes));
  const writer = openWriterOn(fs, options, backgroundDelayMs);
  isOpen = true;
  return writer;
}

function openWriterOn(fs: JournaledFileSystem, options: Partial<EngineOptions>, backgroundDelayMs: number) {
  const simulation = new EngineSimulation();
  const store = RecordStore.open(DIRECTORY, options, {
    fs,
    clock: simulation.clock,
    executor: backgroundAfter(backgroundDelayMs),
    drawHashSeed: () => HASH_SEED,
  });
  return { fs, simulation, store };
}

/** A write for which the next log cannot be begun fails, at once or after some time, and nothing of it is there. */
async function untilTaken(write: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!['IO_ERROR', 'OVERLOADED'].includes((error as LsmError).code)) throw error;
    }
  }
}

function clear(store: RecordStore, { end, start, timestamp }: Cleared): Promise<void> {
  return new Promise((resolve, reject) => {
    const onWrite = (
      _token: number,
      status: WriteStatus,
      _at: number,
      _writer: number,
      error: Error | null,
    ) => (status === WriteStatus.applied ? resolve() : reject(error ?? new Error('the range is stale')));
    store.clear({ start, end }, timestamp, { onWrite }, 1);
  });
}

function writeBatch(store: RecordStore, puts: readonly KeyedRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const onWrite = (
      _token: number,
      status: WriteStatus,
      _at: number,
      _writer: number,
      error: Error | null,
    ) => (status === WriteStatus.failed ? reject(error) : resolve());
    store.writeBatch(puts, { onWrite }, 1);
  });
}

function apply({ records }: State, key: string, record: Uint8Array): void {
  const held = records.get(key);
  if (held === undefined || recordTimestamp(held, 0) < recordTimestamp(record, 0)) records.set(key, record);
}

function isHidden({ cleared }: State, key: string, record: Uint8Array): boolean {
  const bytes = Buffer.from(key);
  return cleared.some(
    ({ end, start, timestamp }) =>
      Buffer.compare(start, bytes) <= 0 &&
      Buffer.compare(bytes, end) < 0 &&
      recordTimestamp(record, 0) < timestamp,
  );
}

function shown(state: State): string {
  const lines = [...state.records].flatMap(([key, record]) => {
    return isTombstone(record, 0) || isHidden(state, key, record)
      ? []
      : [lineOf(key, record.subarray(recordValueStart(record, 0)))];
  });
  return lines.sort().join('\n');
}

export interface LookCounts {
  readonly looks: number;
  /** Looks that were given up, as the writer did more between any two calls than a reader can follow. */
  readonly changing: number;
  /** Snapshots that were given up, as memtables of too many logs had come since. */
  readonly expired: number;
}

interface LookOptions {
  readonly seed: number;
  /** After so many looks the reader is closed and another is opened. */
  readonly reopenEvery: number;
  /** How many calls of the writer come before each call of the reader. */
  readonly stepsPerCall: (random: Random) => number;
  /** And before each call of what takes one moment of the folder, which makes fewer. */
  readonly stepsPerFrozenCall: (random: Random) => number;
  /** And before each look. */
  readonly stepsPerLook: (random: Random) => number;
}

/** Looks from one end of a run to the other. */
export async function lookAlong(run: FollowedRun, options: LookOptions): Promise<LookCounts> {
  const looks = new Looks(run, options);
  while (!looks.isDone) await looks.look();
  await looks.close();
  return looks.counts;
}

/** A snapshot, and what it shows. */
interface Held {
  readonly snapshot: Snapshot;
  readonly state: string;
}

const READER_OPTIONS = { memtableBytes: 64 * 1024, maxRecordBytes: 16 * 1024, blockCacheBytes: 64 * 1024 };
/** Every so many looks read the state by a scan, which goes through a reader role; the others get every key. */
const SCAN_EVERY = 4;

const FREEZE_EVERY = 4;
/** Takes longer. */
const VERIFY_EVERY = 5 * FREEZE_EVERY;

class Looks {
  readonly counts = { looks: 0, changing: 0, expired: 0 };
  readonly #run: FollowedRun;
  readonly #options: LookOptions;
  readonly #random: Random;
  readonly #replay: JournalReplay;
  readonly #reads: DiskReads;
  readonly #simulation = new EngineSimulation();
  readonly #clock: EngineClock;
  #isFreezing = false;
  #elapsedMs = 0;
  #reader: EngineReader | undefined;
  #held: Held | undefined;
  /** What was shown last. */
  #state = '';
  /** The newest state that was shown. */
  #least = 0;

  constructor(run: FollowedRun, options: LookOptions) {
    this.#run = run;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#replay = run.journal.replay();
    this.#reads = new DiskReads(this.#replay.disk, () => {
      const steps = this.#isFreezing ? options.stepsPerFrozenCall : options.stepsPerCall;
      this.#replay.advance(steps(this.#random));
    });
    const { clock } = this.#simulation;
    this.#clock = {
      nowMs: () => clock.nowMs(),
      // So that what takes long on a slow disk is done in many turns.
      monotonicMs: () => clock.monotonicMs() + this.#elapsedMs++,
      after: (delayMs, callback) => clock.after(delayMs, callback),
      endOfTurn: (callback) => clock.endOfTurn(callback),
    };
  }

  get isDone(): boolean {
    return this.#replay.isDone;
  }

  async look(): Promise<void> {
    const look = this.counts.looks++;
    this.#replay.advance(this.#options.stepsPerLook(this.#random));
    if (look % this.#options.reopenEvery === 0) await this.close();
    const from = this.#replay.position;
    try {
      if (this.#reader === undefined) await this.#open();
      else await this.#refresh(this.#reader);
    } catch (error) {
      const { acknowledged } = this.#run;
      const isChanging = error instanceof LsmError && error.code === 'CHANGING';
      const isNotThere = error instanceof LsmError && error.code === 'NOT_FOUND';
      if (isChanging) this.counts.changing++;
      else if (!isNotThere || acknowledged.some((at, index) => index > 0 && at <= from))
        throw new Error(`look ${look} at call ${from}`, { cause: error });
      return;
    }
    const until = this.#replay.position;
    const reader = this.#reader as EngineReader;
    this.#state = await this.#stateOf(reader);
    this.#least = this.#numberOf(this.#state, from, until);
    await this.#lookAtSnapshot(reader);
    if (look % FREEZE_EVERY === 0) this.#freeze(look % VERIFY_EVERY === 0);
  }

  /** The number of a state that was shown, which must be one of those between the two calls. */
  #numberOf(state: string, from: number, until: number): number {
    const { acknowledged, asked, states } = this.#run;
    const last = asked.findLastIndex((at) => at <= until);
    const known = acknowledged.findLastIndex((at) => at <= from);
    const first = Math.max(this.#least, known);
    const found = states.slice(first, last + 1).indexOf(state);
    const look = `look ${this.counts.looks}, between calls ${from} and ${until}`;
    assert.ok(found >= 0, `${look}, shows no state from ${first} to ${last}`);
    return first + found;
  }

  /** As the tools read the folder of an engine that has it open. */
  #freeze(isVerified: boolean): void {
    const from = this.#replay.position;
    const before = this.#reads.openFiles;
    let frozen: FrozenFolder;
    try {
      this.#isFreezing = true;
      frozen = FrozenFolder.take(this.#reads.fs, DIRECTORY);
    } catch (error) {
      if ((error as LsmError).code !== 'CHANGING') throw error;
      this.counts.changing++;
      return;
    } finally {
      this.#isFreezing = false;
    }
    const until = this.#replay.position;
    const lines: string[] = [];
    for (const item of dumpEntries(frozen, DIRECTORY, { start: undefined, end: undefined }, 0))
      if (item.type === 'entry') lines.push(lineOf(Buffer.from(item.key).toString(), item.value));
    this.#numberOf(lines.sort().join('\n'), from, until);
    if (isVerified) {
      statFolder(frozen, DIRECTORY);
      const verifying = verifyFolder(frozen, DIRECTORY);
      let step = verifying.next();
      while (step.done !== true) step = verifying.next();
      assert.deepEqual(step.value.damages, []);
    }
    frozen[Symbol.dispose]();
    assert.equal(this.#reads.openFiles, before);
  }

  /** Everything must be closed then. */
  async close(): Promise<void> {
    if (this.#reader !== undefined) await this.#simulation.settle(this.#reader.close());
    this.#reader = undefined;
    this.#held = undefined;
    assert.equal(this.#reads.openFiles, 0);
  }

  async #open(): Promise<void> {
    const surroundings = { fs: this.#reads.fs, clock: this.#clock, executor: backgroundAfter(0) };
    const opening = EngineReader.open(DIRECTORY, READER_OPTIONS, surroundings);
    this.#reader = await this.#simulation.settle(opening);
  }

  /** While it is under way what was shown before is shown. */
  async #refresh(reader: EngineReader): Promise<void> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    const refreshing = reader.refresh();
    refreshing.then(end, end);
    while (!isDone) {
      this.#simulation.clock.advance(1);
      for (let i = 0; i < 8 && !isDone; i++) await undefined;
      if (!isDone && this.#random() < 0.1) assert.equal(allOf(reader), this.#state);
    }
    await refreshing;
  }

  async #lookAtSnapshot(reader: EngineReader): Promise<void> {
    if (this.#held !== undefined && this.#random() < 0.3) {
      const { snapshot, state } = this.#held;
      try {
        assert.equal(allOf(reader, snapshot), state);
      } catch (error) {
        if ((error as LsmError).code !== 'SNAPSHOT_EXPIRED') throw error;
        this.counts.expired++;
        this.#held = undefined;
      }
      if (this.#random() < 0.1) {
        snapshot.release();
        this.#held = undefined;
      }
    }
    this.#held ??= { snapshot: reader.snapshot(), state: this.#state };
  }

  async #stateOf(reader: EngineReader): Promise<string> {
    if (this.counts.looks % SCAN_EVERY !== 0) return allOf(reader);
    const lines: string[] = [];
    const scan = async (): Promise<void> => {
      for await (const { key, value } of reader.range())
        lines.push(lineOf(Buffer.from(key).toString(), value));
    };
    await this.#simulation.settle(scan());
    return lines.sort().join('\n');
  }
}

/** What it has of all keys that a run ever writes. */
function allOf(reader: EngineReader, snapshot?: Snapshot): string {
  const lines: string[] = [];
  for (const key of KEY_NAMES) {
    const value = reader.getSync(Buffer.from(key), snapshot);
    if (value !== undefined) lines.push(lineOf(key, value));
  }
  return lines.sort().join('\n');
}

function lineOf(key: string, value: Uint8Array): string {
  return `${key} ${value.length} ${Buffer.from(value).toString('latin1', 0, 16)}`;
}
