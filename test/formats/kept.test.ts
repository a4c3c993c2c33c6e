/** Folders that earlier versions have written, and later ones will: FORMAT.md says what is promised of them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { type Engine, type FileSystem, LsmError, open } from '../../native-free-lsm/index.ts';
import { BatchKind, FileMagic } from '../../native-free-lsm/log/log-format.ts';
import { repairFolder } from '../../native-free-lsm/offline/repair.ts';
import { verifyFolder } from '../../native-free-lsm/offline/verify.ts';
import { Compression } from '../../native-free-lsm/sstable/block-codec.ts';
import { MetaBlockType } from '../../native-free-lsm/sstable/table-format.ts';
import { inspectDataDirectory } from '../../src/cli/data/layout.ts';
import { Outcome } from '../../src/outcome.ts';
import { decodeIdentity } from '../../src/replica/identity-file.ts';
import { EngineSimulation } from '../support/engine-simulation.ts';
import { NodeSimulation } from '../support/node-simulation.ts';
import {
  bytesByName,
  diskWith,
  filesBelow,
  type KeptFolder,
  keptFormats,
  keptNames,
  readKept,
} from './kept-folder.ts';
import { CLUSTER_DIRECTORY, ENGINE_DIRECTORY, NODES, OPTIONS, sampleFolders } from './sample-folders.ts';
import { ENGINE_VERSIONS, VERSIONS, type WrittenFormats, writtenFormats } from './written-formats.ts';

interface DataFormat {
  readonly number: number;
  readonly versions: readonly number[];
  readonly isRead: boolean;
}

/** The table in FORMAT.md. */
function dataFormats(): DataFormat[] {
  const text = readFileSync(new URL('../../native-free-lsm/FORMAT.md', import.meta.url), 'utf8');
  const rows = /^\| data format \|.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(text)?.[1] ?? '';
  return rows
    .trimEnd()
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map(([, number, ...cells]) => ({
      number: Number(number),
      versions: cells.slice(0, ENGINE_VERSIONS.length).map((cell) => (cell === 'none' ? 0 : Number(cell))),
      isRead: cells.at(-2) !== 'refused',
    }));
}

function formatsOf(number: number): WrittenFormats {
  const all = keptNames(number).map((name) => writtenFormats(bytesByName(readKept(number, name))));
  return merged(all);
}

function merged(all: readonly WrittenFormats[]): WrittenFormats {
  const names = new Set(all.flatMap((formats) => Object.keys(formats)));
  const numbersOf = (name: string): number[] =>
    [...new Set(all.flatMap((formats) => formats[name] ?? []))].sort((a, b) => a - b);
  return Object.fromEntries([...names].map((name) => [name, numbersOf(name)]));
}

function versionsOf(formats: WrittenFormats): Record<string, readonly number[] | undefined> {
  return Object.fromEntries(VERSIONS.map((name) => [name, formats[name]]));
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytes = (key: string): Buffer => Buffer.from(key, 'latin1');

function verify(fs: FileSystem): readonly string[] {
  const steps = verifyFolder(fs, ENGINE_DIRECTORY);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value.damages.map(({ message }) => message);
}

/** Reads all that the folder must hold, one by one and as a range in both directions. */
async function checkEntries(
  engine: Engine,
  entries: ReadonlyMap<string, string | null>,
  lost: readonly string[],
  settle: <T>(promise: Promise<T>) => Promise<T>,
): Promise<void> {
  for (const [key, value] of entries) {
    const found = await settle(engine.get(bytes(key)));
    assert.equal(found === undefined ? null : text(found), value, `key ${JSON.stringify(key)}`);
  }
  for (const key of lost) await assert.rejects(settle(engine.get(bytes(key))), { code: 'CORRUPTION' });
  if (lost.length > 0) return;
  const living = [...entries].filter(([, value]) => value !== null).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const reverse of [false, true]) {
    const found = await settle(engine.range({ reverse }).nextMany(living.length + 1));
    assert.deepEqual(
      found.map(({ key, value }) => [text(key), text(value)]),
      reverse ? living.toReversed() : living,
    );
  }
}

const formats = dataFormats();
const present = formats.at(-1) as DataFormat;

describe('data formats', () => {
  test('each that FORMAT.md lists has folders that are kept, and they are of its versions', () => {
    assert.deepEqual(
      formats.map(({ number }) => number),
      keptFormats(),
    );
    for (const { number, versions } of formats) {
      const written = formatsOf(number);
      const found = ENGINE_VERSIONS.map((name) => written[name] ?? [0]);
      assert.deepEqual(
        found,
        versions.map((version) => [version]),
        `data format ${number}`,
      );
    }
  });

  test('what is written today is of a data format that is kept, and no part of it is missing there', async () => {
    const today = [...(await sampleFolders()).values()].map((folder) => writtenFormats(bytesByName(folder)));
    const kept = formatsOf(present.number);
    const advice = `of data format ${present.number}: leave its folders as they are, give what is written now a row in FORMAT.md and keep folders of it (npm run formats:keep)`;
    assert.deepEqual(versionsOf(merged(today)), versionsOf(kept), `what is written is not ${advice}`);
    const known = { 'meta block': MetaBlockType, 'batch kind': BatchKind, 'block compression': Compression };
    for (const [name, numbers] of Object.entries(known))
      assert.deepEqual(
        kept[name],
        Object.values(numbers),
        `a folder with each ${name} must be kept: write it in sample-folders.ts, and npm run formats:keep -- --data-format ${present.number} --replace unless a release has written this format`,
      );
  });
});

for (const { number } of formats.filter(({ isRead }) => isRead)) {
  describe(`a folder of data format ${number}`, () => {
    for (const name of keptNames(number).filter((kept) => kept.startsWith('engine'))) {
      test(`${name} is opened, read, verified, written to, compacted and opened again`, async () => {
        const folder = readKept(number, name);
        const entries = new Map(Object.entries(folder.entries));
        const simulation = new EngineSimulation(OPTIONS, diskWith(bytesByName(folder), ENGINE_DIRECTORY));
        const settle = <T>(promise: Promise<T>): Promise<T> => simulation.settle(promise);
        // Later than all that was to end soon.
        simulation.clock.setWallMs(Date.UTC(2025, 6, 1));
        const isWhole = folder.lost.length === 0;
        assert.equal(verify(simulation.fs).length === 0, isWhole);
        for (let round = 0; round < 3; round++) {
          const engine = await simulation.openEngine();
          await checkEntries(engine, entries, folder.lost, settle);
          for (const key of [...entries.keys()].filter((_, i) => i % 10 === round)) {
            await settle(engine.put(bytes(key), bytes(`round ${round} ${key}`)));
            entries.set(key, `round ${round} ${key}`);
          }
          await settle(engine.delete(bytes(`key ${round}`)));
          if (entries.has(`key ${round}`)) entries.set(`key ${round}`, null);
          if (round > 0) await settle(engine.compact());
          await checkEntries(engine, entries, folder.lost, settle);
          await settle(engine.close());
          assert.equal(verify(simulation.fs).length === 0, isWhole, verify(simulation.fs).join());
        }
        const { log, manifest } = writtenFormats(filesBelow(simulation.fs, ENGINE_DIRECTORY));
        assert.deepEqual(
          [log, manifest],
          [formatsOf(present.number).log, formatsOf(present.number).manifest],
        );
      });
    }

    test('is opened by the engine with its threads, on a disk', async () => {
      const folder = readKept(number, 'engine');
      const directory = mkdtempSync(path.join(tmpdir(), 'kept-'));
      try {
        for (const [name, content] of bytesByName(folder)) writeFileSync(path.join(directory, name), content);
        const engine = await open(directory);
        await checkEntries(engine, new Map(Object.entries(folder.entries)), [], (promise) => promise);
        await engine.close();
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    test('of a cluster is started, has what it had, and goes on from there', async () => {
      const folder = readKept(number, 'cluster');
      const files = [...bytesByName(folder)];
      const disks = Array.from({ length: NODES }, (_, index) =>
        diskWith(new Map(files.filter(([name]) => name.startsWith(`n${index}/`))), CLUSTER_DIRECTORY),
      );
      const simulation = new NodeSimulation(disks, 2, Date.UTC(2025, 6, 1));
      await simulation.start();
      // What was written while the other node was away is brought to it.
      await simulation.pass(3_000);
      assert.equal(simulation.statusOf(0, 'hints').delivered, 20);
      const living = Object.entries(folder.entries).filter(([, value]) => value !== null);
      for (let index = 0; index < NODES; index++) {
        assert.deepEqual(simulation.conditionsOf(index), []);
        assert.deepEqual((await simulation.held(index)).size, living.length);
        for (const [key, value] of Object.entries(folder.entries)) {
          const answer = await simulation.settle(simulation.get(index, key, NODES));
          assert.equal(answer.outcome, value === null ? Outcome.notFound : Outcome.ok, answer.reason);
          if (value !== null) assert.equal(text(answer.value as Uint8Array), value);
        }
      }
      const put = await simulation.settle(simulation.put(1, 'key 1', bytes('again'), NODES));
      assert.equal(put.outcome, Outcome.ok, put.reason);
      await simulation.stop();
    });

    test('of a cluster is taken by serve for what it is', () => {
      const directory = mkdtempSync(path.join(tmpdir(), 'kept-'));
      try {
        const file = bytesByName(readKept(number, 'cluster')).get('cluster.json') as Uint8Array;
        writeFileSync(path.join(directory, 'cluster.json'), file);
        assert.equal(inspectDataDirectory(directory, NODES)?.nodes, NODES);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });
}

/** Opens, inspects and repairs the engine's folder in vain, and sees that nothing has changed. */
async function assertRefused(files: ReadonlyMap<string, Uint8Array>, message: RegExp): Promise<void> {
  const fs = diskWith(files, ENGINE_DIRECTORY);
  const simulation = new EngineSimulation(OPTIONS, fs);
  const isRefusal = (error: unknown): boolean => {
    assert.ok(error instanceof LsmError);
    assert.equal(error.code, 'UNSUPPORTED_FORMAT', error.message);
    assert.match(error.message, message);
    return true;
  };
  await assert.rejects(simulation.openEngine(), isRefusal);
  assert.ok(
    verify(fs).some((damage) => message.test(damage)),
    verify(fs).join(),
  );
  await assert.rejects(repairFolder(ENGINE_DIRECTORY, { apply: true, fs }), { code: 'UNSUPPORTED_FORMAT' });
  assert.deepEqual(filesBelow(fs, ENGINE_DIRECTORY), files);
}

for (const { number } of formats.filter(({ isRead }) => !isRead)) {
  describe(`a folder of data format ${number}`, () => {
    test('is refused with a sentence that says what to do, and is left as it was', () =>
      assertRefused(
        bytesByName(readKept(number, 'engine')),
        /is a manifest of format 1, and this version reads format \d+: open the folder with the version that wrote it, and write its entries into a new folder/,
      ));

    test('of a node is refused by its identity', () => {
      const identity = bytesByName(readKept(number, 'cluster')).get('node-1/IDENTITY') as Uint8Array;
      assert.throws(() => decodeIdentity(identity, 'IDENTITY'), {
        code: 'STORAGE',
        message:
          /has format version 1 and this release reads version \d+: start the release that wrote it, and write its entries into a cluster of this release/,
      });
    });
  });
}

describe('a folder that a later version has written', () => {
  const folder: KeptFolder = readKept(present.number, 'engine');
  const changed = (pattern: RegExp, change: (file: Buffer) => void): Map<string, Uint8Array> => {
    const files = bytesByName(folder);
    const name = [...files.keys()].find((file) => pattern.test(file)) as string;
    const file = Buffer.from(files.get(name) as Uint8Array);
    change(file);
    return files.set(name, new Uint8Array(file));
  };
  const raiseHeader = (magic: number) => (file: Buffer) => {
    assert.equal(file.readUInt32LE(0), magic);
    file.writeUInt32LE(file.readUInt32LE(4) + 1, 4);
    file.writeUInt32LE(crc32(file.subarray(0, 12)), 12);
  };
  const raiseFooter = (file: Buffer): void => {
    const footer = file.length - 32;
    file.writeUInt32LE(file.readUInt32LE(footer + 16) + 1, footer + 16);
    file.writeUInt32LE(crc32(file.subarray(footer, footer + 20)), footer + 20);
  };
  const cases = [
    ['manifest', /^MANIFEST/, raiseHeader(FileMagic.manifest)],
    ['log', /\.log$/, raiseHeader(FileMagic.log)],
    ['table', /\.sst$/, raiseFooter],
  ] as const;
  for (const [kind, pattern, change] of cases) {
    test(`is refused for its ${kind}, and left as it was`, () =>
      assertRefused(
        changed(pattern, change),
        new RegExp(
          `is a ${kind} of format \\d+, and this version reads format \\d+: open the folder with the later version`,
        ),
      ));
  }

  test('is refused as it is by serve', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kept-'));
    try {
      mkdirSync(path.join(directory, 'node-1'));
      writeFileSync(path.join(directory, 'cluster.json'), '{"format":2,"clusterId":"test","nodes":2}\n');
      assert.throws(() => inspectDataDirectory(directory, NODES), {
        code: 'FOREIGN_DIRECTORY',
        message: /is not what this version writes: use the version that made the folder/,
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
