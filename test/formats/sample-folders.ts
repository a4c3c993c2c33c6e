/**
 * Small folders of today's format with all that it has, made by one engine or one cluster on one thread: the same with
 * every run. `npm run formats:keep` keeps them; today's are also made by a test, which compares their formats with those
 * that are kept.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine, EngineOptions } from '../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { openDataDirectory } from '../../src/cli/data/layout.ts';
import { Outcome } from '../../src/outcome.ts';
import { blocksOfTable, flipBit } from '../support/damaged-tables.ts';
import {
  backgroundAfter,
  EngineSimulation,
  NoBackground,
  TINY_OPTIONS,
} from '../support/engine-simulation.ts';
import { CLUSTER_ID, NodeSimulation } from '../support/node-simulation.ts';
import { filesBelow, type KeptFolder, keptFolder } from './kept-folder.ts';

export const ENGINE_DIRECTORY = '/db';
export const CLUSTER_DIRECTORY = '/data';
export const NODES = 2;

/** Those of a tiny engine, with compressed blocks in the last level. */
export const OPTIONS: Partial<EngineOptions> = {
  ...TINY_OPTIONS,
  bottomCompression: 'zstd',
  restartInterval: 3,
  targetFileBytes: 4 * 1024,
  baseLevelBytes: 4 * 1024,
};

const LZ4: Partial<EngineOptions> = { ...OPTIONS, compression: 'lz4', bottomCompression: 'lz4' };

/** As a program has it that embeds the engine: tables have slot versions only where values expire. */
const EMBEDDED: Partial<EngineOptions> = { ...LZ4, fingerprintSeed: null, durability: 'interval' };

const KEYS = 150;
const DAY_MS = 86_400_000;
/** So long that none has ended when the folder is read. */
const LONG_MS = 36_500 * DAY_MS;
const SHORT_MS = 1_000;

type Entries = Map<string, string | null>;

function keyOf(i: number): string {
  // Some begin alike for longer than others; one is empty, and one has bytes that are no UTF-8.
  if (i === 0) return '';
  if (i === 1) return '\xfe\xff';
  return `${'shared/'.repeat(i % 4)}key ${i}`;
}

function valueIn(i: number, round: number): string {
  if (i % 17 === 0) return '';
  return `${round}.${i}: ${'abcdefghij'.repeat((i * 7) % 30)}`;
}

class Sample {
  readonly entries: Entries = new Map();
  readonly #simulation: EngineSimulation;
  readonly #engine: Engine;

  constructor(simulation: EngineSimulation, engine: Engine) {
    this.#simulation = simulation;
    this.#engine = engine;
  }

  /** Writes each `step`-th key in one of the ways that there are. */
  async write(round: number, step: number): Promise<void> {
    for (let i = round % step; i < KEYS; i += step) {
      const key = Buffer.from(keyOf(i), 'latin1');
      const value = valueIn(i, round);
      const way = (i + round) % 11;
      if (way === 3) await this.#done(this.#engine.delete(key), i, null);
      else if (way === 5) await this.#put(i, value, LONG_MS);
      else if (way === 7) {
        await this.#put(i, value, SHORT_MS);
        this.entries.set(keyOf(i), null);
      } else if (way === 9) await this.#conditional(i, value);
      else await this.#put(i, value);
    }
  }

  /** Several keys at once. */
  async batch(round: number): Promise<void> {
    const first = {
      type: 'put',
      key: Buffer.from(keyOf(2), 'latin1'),
      value: Buffer.from(`batch ${round}`),
    } as const;
    const second = { type: 'delete', key: Buffer.from(keyOf(4), 'latin1') } as const;
    await this.#simulation.settle(this.#engine.write([first, second]));
    this.entries.set(keyOf(2), `batch ${round}`).set(keyOf(4), null);
  }

  /** @param end null: there is none */
  async clear(start: string, end: string | null): Promise<void> {
    const range = {
      gte: Buffer.from(start, 'latin1'),
      ...(end !== null && { lt: Buffer.from(end, 'latin1') }),
    };
    await this.#simulation.settle(this.#engine.clear(range));
    for (const key of this.entries.keys())
      if (key >= start && (end === null || key < end)) this.entries.set(key, null);
  }

  async #put(i: number, value: string, ttlMs?: number): Promise<void> {
    const options = ttlMs === undefined ? {} : { ttlMs };
    await this.#done(
      this.#engine.put(Buffer.from(keyOf(i), 'latin1'), Buffer.from(value), options),
      i,
      value,
    );
  }

  /** One whose condition is met, and one whose condition is not. */
  async #conditional(i: number, value: string): Promise<void> {
    const key = Buffer.from(keyOf(i), 'latin1');
    const found = await this.#simulation.settle(this.#engine.getVersioned(key));
    const version = found?.version ?? null;
    const met = await this.#simulation.settle(this.#engine.putIf(key, Buffer.from(value), version));
    assert.ok(met.applied);
    this.entries.set(keyOf(i), value);
    const other = await this.#simulation.settle(this.#engine.putIf(key, Buffer.from('not met'), version));
    assert.ok(!other.applied);
  }

  async #done(write: Promise<unknown>, i: number, value: string | null): Promise<void> {
    await this.#simulation.settle(write);
    this.entries.set(keyOf(i), value);
  }
}

/** Tables of several levels, and a log with writes that are in none, each ended as `close` ends it. */
async function grown(
  simulation: EngineSimulation,
  engine: Engine,
): Promise<{ sample: Sample; simulation: EngineSimulation }> {
  const sample = new Sample(simulation, engine);
  for (let round = 0; round < 6; round++) {
    await sample.write(round, round + 1);
    await simulation.settle(engine.flush());
  }
  await simulation.settle(engine.compact());
  for (let round = 6; round < 8; round++) {
    await sample.write(round, round);
    await sample.clear(`key 1${round}`, `key 1${round + 1}`);
    await sample.clear('\xff', null);
    await simulation.settle(engine.flush());
  }
  await sample.write(8, 9);
  await sample.batch(8);
  await sample.clear('shared/key 1', 'shared/key 11');
  await simulation.pass(2 * SHORT_MS);
  return { sample, simulation };
}

/** One without replicas, some of whose writes were synced one by one, and whose process was killed behind the last of them. */
async function embeddedEngine(): Promise<KeptFolder> {
  const simulation = new EngineSimulation(EMBEDDED);
  const engine = await simulation.openEngine();
  const entries: Entries = new Map();
  for (let round = 0; round < 4; round++) {
    for (let i = round; i < KEYS; i += round + 1) {
      const key = Buffer.from(keyOf(i), 'latin1');
      const value = i % 5 === round ? null : valueIn(i, round);
      const sync = i % 20 === 0;
      const write =
        value === null ? engine.delete(key, { sync }) : engine.put(key, Buffer.from(value), { sync });
      await simulation.settle(write);
      entries.set(keyOf(i), value);
    }
    if (round < 3) await simulation.settle(engine.flush());
    if (round === 1) await simulation.settle(engine.compact());
  }
  return kept(simulation.restartWith(simulation.fs.kill()), entries);
}

/** An engine that was closed. */
async function closedEngine(options = OPTIONS): Promise<{ simulation: EngineSimulation; sample: Sample }> {
  const simulation = new EngineSimulation(options);
  const engine = await simulation.openEngine();
  const { sample } = await grown(simulation, engine);
  await simulation.settle(engine.close());
  return { simulation, sample };
}

function kept(simulation: EngineSimulation, entries: Entries, lost: readonly string[] = []): KeptFolder {
  const disk = simulation.fs.crash({ bytes: 'kept', names: 'kept' });
  return keptFolder(filesBelow(disk, ENGINE_DIRECTORY), entries, lost);
}

/** One whose process was killed while memtables waited to be flushed: several logs, of which the last has no end. */
async function killedEngine(): Promise<KeptFolder> {
  const { simulation: before, sample } = await closedEngine();
  const simulation = new EngineSimulation(OPTIONS, before.fs, (context) => new NoBackground(context));
  simulation.clock.setWallMs(before.clock.nowMs());
  const engine = await simulation.openEngine({
    memtableBytes: 64 * 1024,
    l0StopTables: 100,
    l0SlowdownTables: 100,
  });
  for (let i = 0; i < 60; i++) {
    const value = `large ${i} `.repeat(170);
    await simulation.settle(engine.put(Buffer.from(`large ${i}`), Buffer.from(value)));
    sample.entries.set(`large ${i}`, value);
  }
  return kept(simulation.restartWith(simulation.fs.kill()), sample.entries);
}

/** One with a table that a compaction could not read whole: it is set aside, for what is only there. */
async function damagedEngine(): Promise<KeptFolder> {
  const { simulation: before, sample } = await closedEngine();
  const { fs } = before;
  const tables = fs.listSync(ENGINE_DIRECTORY).filter((name) => name.endsWith('.sst'));
  const blocks = tables.flatMap((name) => blocksOfTable(fs, `${ENGINE_DIRECTORY}/${name}`));
  const damaged = blocks.find(({ keys }) => keys.length > 1) ?? blocks[0];
  flipBit(fs, damaged.path, damaged.offset + 3);
  const simulation = new EngineSimulation(OPTIONS, fs, backgroundAfter(0));
  simulation.clock.setWallMs(before.clock.nowMs());
  const engine = await simulation.openEngine();
  await simulation.settle(engine.compact()).catch(() => undefined);
  const lost: string[] = [];
  for (const key of sample.entries.keys()) {
    const read = engine.get(Buffer.from(key, 'latin1'));
    await simulation.settle(read).catch(() => lost.push(key));
  }
  assert.ok(lost.length > 0 && engine.stats().conditions.some(({ code }) => code === 'DAMAGED_TABLE'));
  await simulation.settle(engine.close());
  for (const key of lost) sample.entries.delete(key);
  return kept(simulation, sample.entries, lost);
}

/** The data folder of a cluster of two nodes, of which one was away for some writes: hints wait for it. */
async function cluster(): Promise<KeptFolder> {
  const disks = Array.from({ length: NODES }, () => new MemoryFileSystem());
  const simulation = new NodeSimulation(disks, 1, undefined, { antiEntropyIntervalMs: 4_000 });
  await simulation.start();
  const entries: Entries = new Map();
  const write = async (key: string, value: string | null, ack: number): Promise<void> => {
    const { outcome, reason } = await simulation.settle(simulation.write(0, key, value, ack, NODES));
    assert.equal(outcome, Outcome.ok, reason);
    entries.set(key, value);
  };
  await simulation.pass(2_000);
  for (let i = 0; i < 30; i++) await write(`key ${i}`, `value ${i}`, NODES);
  for (let i = 0; i < 5; i++) await write(`key ${i}`, null, NODES);
  // A round promises what both have.
  await simulation.pass(5_000);
  await simulation.stopNode(1);
  for (let i = 20; i < 40; i++) await write(`key ${i}`, i % 4 === 0 ? null : `newer ${i}`, 1);
  await simulation.pass(1_000);
  await simulation.stopNode(0);
  const files = new Map<string, Uint8Array>();
  for (const [index, disk] of simulation.disks.entries()) {
    const found = filesBelow(disk.crash({ bytes: 'kept', names: 'kept' }), `${CLUSTER_DIRECTORY}/n${index}`);
    for (const [name, bytes] of found) files.set(`n${index}/${name}`, bytes);
  }
  files.set('cluster.json', Buffer.from(clusterFile()));
  return keptFolder(files, entries);
}

/** What `serve` writes beside the folders of the nodes, with an id that is the same in every run. */
function clusterFile(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'quorate-formats-'));
  try {
    const { clusterId } = openDataDirectory(folder, NODES);
    return readFileSync(path.join(folder, 'cluster.json'), 'utf8').replace(clusterId, CLUSTER_ID);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Today's folders by the names under which they are kept. */
export async function sampleFolders(): Promise<ReadonlyMap<string, KeptFolder>> {
  const { simulation, sample } = await closedEngine();
  const lz4 = await closedEngine(LZ4);
  return new Map([
    ['engine', kept(simulation, sample.entries)],
    ['engine-lz4', kept(lz4.simulation, lz4.sample.entries)],
    ['engine-embedded', await embeddedEngine()],
    ['engine-killed', await killedEngine()],
    ['engine-damaged', await damagedEngine()],
    ['cluster', await cluster()],
  ]);
}
