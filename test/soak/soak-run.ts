/**
 * One engine with real threads over a long time: its data grows, is overwritten and shrinks, again and again, with
 * snapshots and scans held open meanwhile. Every value is checked, and so is that nothing grows without end: memory,
 * files, descriptors, disk space for what is gone.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_OPTIONS, type Engine, type EngineOptions, open } from '../../native-free-lsm/index.ts';
import { openDescriptors } from '../support/descriptors.ts';
import { directorySize, filesAtRest, tableCount } from '../support/engine-files.ts';
import { EngineLedger } from '../support/engine-ledger.ts';
import { EngineTraffic, settleLedger } from '../support/engine-traffic.ts';
import { collectGarbage } from '../support/garbage.ts';
import { until } from '../support/until.ts';
import { growth } from './flatness.ts';
import { type HeldCounts, HeldReads } from './held-reads.ts';

const MIB = 1024 * 1024;
const MANIFEST_BYTES = 128 * 1024;
const CALLERS = 16;
const MAX_OPEN_FILES = 32;
const BASE_LEVEL_MEMTABLES = 2;
/** The first warms up, and two make a line. */
const LEAST_CYCLES = 3;

export interface SoakOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly keys: number;
  readonly maxValueBytes: number;
  readonly memtableBytes: number;
  /**
   * How much resident memory may grow after the first cycle, besides a share of it: a short run is still warming up.
   */
  readonly residentSlackBytes: number;
  /** A line of figures comes so often. */
  readonly lineMs: number;
  readonly log: (line: string) => void;
}

/** For each kind of phase, the share of the writes that delete, and the share of the calls that read. */
const PHASES = [
  { name: 'growing', deleteShare: 0, readShare: 0.2 },
  { name: 'overwriting', deleteShare: 0.1, readShare: 0.4 },
  { name: 'shrinking', deleteShare: 0.97, readShare: 0.1 },
] as const;

/** Figures at the end of a cycle, when nothing is in flight and garbage is collected. */
interface RestFigures {
  readonly rssBytes: number;
  readonly arrayBufferBytes: number;
  readonly liveBytes: number;
  /** The size that the engine left by itself, and after it was told to compact. */
  readonly diskBytes: number;
  readonly compactedBytes: number;
}

export interface SoakSummary {
  readonly cycles: number;
  readonly reads: number;
  readonly scans: number;
  readonly writes: number;
  readonly held: HeldCounts;
  readonly rests: readonly RestFigures[];
}

/** @throws AssertionError that says what was wrong or did not stay bounded */
export async function soak(options: SoakOptions): Promise<SoakSummary> {
  const directory = mkdtempSync(join(tmpdir(), 'native-free-lsm-soak-'));
  try {
    return await new Soak(directory, options).run();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class Soak {
  readonly #directory: string;
  readonly #options: SoakOptions;
  readonly #engineOptions: Partial<EngineOptions>;
  readonly #ledger = new EngineLedger();
  readonly #held: HeldCounts = { snapshots: 0, expired: 0, scans: 0, entries: 0 };
  readonly #rests: RestFigures[] = [];
  readonly #startMs = performance.now();
  readonly #descriptorsBefore = openDescriptors() ?? 0;
  readonly #failures = new Map<string, number>();
  #traffics = 0;
  #reads = 0;
  #scans = 0;
  #writes = 0;
  #lineDueMs = 0;

  constructor(directory: string, options: SoakOptions) {
    this.#directory = directory;
    this.#options = options;
    const { memtableBytes } = options;
    this.#engineOptions = {
      durability: 'none',
      maxRecordBytes: 32 * 1024,
      memtableBytes,
      blockCacheBytes: 2 * memtableBytes,
      targetFileBytes: memtableBytes / 2,
      baseLevelBytes: memtableBytes * BASE_LEVEL_MEMTABLES,
      levelMultiplier: 4,
      maxCompactionBytes: memtableBytes * 4,
      // Begun anew several times in each cycle.
      maxManifestBytes: MANIFEST_BYTES,
      readers: 2,
      singleThread: false,
      maxOpenFilesPerThread: MAX_OPEN_FILES,
      writeStallTimeoutMs: 30_000,
    };
  }

  async run(): Promise<SoakSummary> {
    const { durationMs, log, seed } = this.#options;
    log(`seed ${seed}, ${Math.round(durationMs / 1000)} s`);
    {
      await using engine = await open(this.#directory, this.#engineOptions);
      while (performance.now() < this.#startMs + durationMs || this.#rests.length < LEAST_CYCLES)
        await this.#cycle(engine);
    }
    await using again = await open(this.#directory, this.#engineOptions);
    const keys = await settleLedger(again, this.#ledger);
    log(`reopened: all of ${keys} keys are as they were`);
    this.#checkFlatness();
    const { length: cycles } = this.#rests;
    const counts = { reads: this.#reads, scans: this.#scans, writes: this.#writes };
    return { cycles, ...counts, held: this.#held, rests: this.#rests };
  }

  async #cycle(engine: Engine): Promise<void> {
    const { durationMs, keys, log, seed } = this.#options;
    const phaseMs = Math.min(20_000, Math.max(500, durationMs / 15));
    const held = new HeldReads(
      engine,
      { seed: seed + this.#traffics, keys, holdMs: phaseMs * 2 },
      this.#held,
    );
    for (const phase of PHASES) await this.#phase(engine, phase, phaseMs);
    await held.stop();
    const rest = await this.#rest(engine);
    this.#rests.push(rest);
    log(
      `cycle ${this.#rests.length}: ${mib(rest.liveBytes)} live, ${mib(rest.diskBytes)} on disk, ${mib(rest.compactedBytes)}` +
        ` compacted; resident ${mib(rest.rssBytes)}, buffers ${mib(rest.arrayBufferBytes)}`,
    );
  }

  async #phase(engine: Engine, phase: (typeof PHASES)[number], phaseMs: number): Promise<void> {
    const { keys, maxValueBytes, seed } = this.#options;
    const traffic = new EngineTraffic(engine, this.#ledger, {
      seed: seed + this.#traffics++,
      callers: CALLERS,
      keysPerCaller: keys / CALLERS,
      maxValueBytes,
      largeBatchBytes: this.#options.memtableBytes / 4,
      deleteShare: phase.deleteShare,
      readShare: phase.readShare,
      mayFail: ['OVERLOADED'],
    });
    const endMs = performance.now() + phaseMs;
    await Promise.race([
      traffic.done,
      until(
        async () => {
          await this.#look(engine, traffic, phase.name);
          return performance.now() >= endMs;
        },
        phaseMs * 2 + 30_000,
        () => 'time stands still',
      ),
    ]);
    await traffic.stop();
    this.#reads += traffic.reads;
    this.#scans += traffic.scans;
    this.#writes += traffic.writes;
    for (const [code, count] of traffic.failures)
      this.#failures.set(code, (this.#failures.get(code) ?? 0) + count);
  }

  /** Bounds that hold at any moment, and a line of figures when one is due. */
  async #look(engine: Engine, traffic: EngineTraffic, phase: string): Promise<void> {
    const { lineMs, log, memtableBytes } = this.#options;
    const tables = tableCount(engine);
    const descriptors = openDescriptors() ?? 0;
    // Two readers and the writer; a scan may hold its tables above that for the length of a page.
    const mostDescriptors = this.#descriptorsBefore + 3 * MAX_OPEN_FILES + 2 * tables + 64;
    assert.ok(descriptors <= mostDescriptors, `${descriptors} descriptors for ${tables} tables`);
    const now = performance.now();
    if (now < this.#lineDueMs) return;
    this.#lineDueMs = now + lineMs;
    const { files, bytes } = await directorySize(this.#directory);
    const { compactions, flushes, liveBytes, tablesByLevel } = engine.stats();
    // Tables that compactions under way replace and snapshots hold count twice and more, everything else once.
    assert.ok(files <= 5 * tables + 100, `${files} files for ${tables} tables`);
    assert.ok(
      bytes <= 5 * liveBytes + 32 * memtableBytes,
      `${mib(bytes)} on disk for at most ${mib(liveBytes)}`,
    );
    const { rss, arrayBuffers } = process.memoryUsage();
    log(
      `${String(Math.round((now - this.#startMs) / 1000)).padStart(5)} s  ${phase.padEnd(11)}` +
        ` ${this.#reads + traffic.reads} reads ${this.#scans + traffic.scans} scans ${this.#writes + traffic.writes} writes,` +
        ` ${flushes} flushes ${compactions} compactions, tables ${tablesByLevel.join(' ')}, ${files} files ${mib(bytes)},` +
        ` ${descriptors} descriptors, resident ${mib(rss)} buffers ${mib(arrayBuffers)},` +
        ` snapshots ${this.#held.snapshots} expired ${this.#held.expired}`,
    );
  }

  /** Every value, and what is there besides. */
  async #rest(engine: Engine): Promise<RestFigures> {
    await settleLedger(engine, this.#ledger);
    await filesAtRest(engine, this.#directory);
    const { bytes: diskBytes } = await directorySize(this.#directory);
    await this.#checkGivenBack(engine, diskBytes);
    await engine.compact();
    await filesAtRest(engine, this.#directory);
    const { bytes: compactedBytes } = await directorySize(this.#directory);
    const liveBytes = await liveBytesOf(engine);
    // Compaction on demand drops everything deleted. The log in use and the tables' own parts stay. The manifest
    // shrinks below its limit only when something is next written to it.
    const mostBytes = 1.2 * liveBytes + 2 * MANIFEST_BYTES;
    assert.ok(
      compactedBytes <= mostBytes,
      `${mib(compactedBytes)} on disk for ${mib(liveBytes)} of live data`,
    );
    const arrayBufferBytes = await collectGarbage();
    return { rssBytes: process.memoryUsage().rss, arrayBufferBytes, liveBytes, diskBytes, compactedBytes };
  }

  /**
   * What was deleted and overwritten frees its room without being told to, except for a part: the log in use, one table
   * less than starts a compaction of level 0, and what the base level may hold.
   */
  async #checkGivenBack(engine: Engine, diskBytes: number): Promise<void> {
    const liveBytes = await liveBytesOf(engine);
    const { memtableBytes } = this.#options;
    const levelZeroBytes = (DEFAULT_OPTIONS.l0CompactionTables - 1) * memtableBytes;
    const mostBytes = 2 * liveBytes + memtableBytes + levelZeroBytes + BASE_LEVEL_MEMTABLES * memtableBytes;
    assert.ok(diskBytes <= mostBytes, `${mib(diskBytes)} on disk at rest for ${mib(liveBytes)} of live data`);
  }

  /** The first cycle is for warming up. */
  #checkFlatness(): void {
    const warm = this.#rests.slice(1);
    for (const [what, of, slackBytes] of [
      ['resident memory', (rest: RestFigures) => rest.rssBytes, this.#options.residentSlackBytes],
      ['array buffers', (rest: RestFigures) => rest.arrayBufferBytes, 8 * MIB],
    ] as const) {
      const values = warm.map(of);
      const grown = growth(values);
      this.#options.log(`${what}: ${values.map(mib).join(', ')}; grown by ${mib(grown)} as a line`);
      const most = values[0] * 0.1 + slackBytes;
      assert.ok(grown <= most, `${what} has grown by ${mib(grown)} over ${values.length} cycles`);
      assert.ok(
        Math.max(...values) <= values[0] + 2 * most,
        `${what} has come to ${mib(Math.max(...values))}`,
      );
    }
    if (this.#failures.size > 0) this.#options.log(`refused: ${JSON.stringify([...this.#failures])}`);
  }
}

async function liveBytesOf(engine: Engine): Promise<number> {
  let bytes = 0;
  for await (const { key, value } of engine.range()) bytes += key.length + value.length;
  return bytes;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
