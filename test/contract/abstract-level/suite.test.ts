/**
 * The public test suite of abstract-level, whole, over the adapter: each of its databases is an engine on one thread over
 * a file system in memory.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test as nodeTest } from 'node:test';
import { NativeFreeLevel, type NativeFreeLevelOptions } from '../../../native-free-lsm/level/index.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';

/** What a test of the suite has asserted, as tape tells it. */
interface TapeRow {
  readonly type: 'test' | 'assert' | 'end';
  readonly name?: string;
  readonly ok?: boolean;
  readonly operator?: string;
  readonly actual?: unknown;
  readonly expected?: unknown;
  readonly error?: Error;
}

interface TapeStream {
  on(event: 'data', listener: (row: TapeRow) => void): this;
  on(event: 'end', listener: () => void): this;
}

interface TapeHarness {
  (name: string, body: (t: unknown) => unknown): void;
  createStream(options: { readonly objectMode: true }): TapeStream;
}

const require = createRequire(import.meta.url);
const { createHarness } = require('tape') as { createHarness: () => TapeHarness };
const suite = require('abstract-level/test') as (options: object) => void;

const ENGINE = {
  maxRecordBytes: 64 * 1024,
  maxBatchBytes: 64 * 1024,
  memtableBytes: 128 * 1024,
  blockCacheBytes: 64 * 1024,
} as const;

function database(options?: NativeFreeLevelOptions<string, string>): NativeFreeLevel {
  const fs = new MemoryFileSystem();
  const environment = {
    fs,
    executor: (context: ConstructorParameters<typeof InlineExecutor>[0]) => new InlineExecutor(context),
  };
  return new NativeFreeLevel('/db', { ...options, engine: ENGINE, environment });
}

nodeTest('the adapter passes the suite of abstract-level', async (context) => {
  const harness = createHarness();
  const failures: string[] = [];
  let tests = 0;
  let assertions = 0;
  let name = '';
  const ended = new Promise<void>((resolve) => {
    harness
      .createStream({ objectMode: true })
      .on('data', (row) => {
        if (row.type === 'test') {
          tests++;
          name = row.name ?? '';
        } else if (row.type === 'assert') {
          assertions++;
          if (row.ok !== true)
            failures.push(`${name}: ${row.name} (${row.operator}: ${row.error?.stack ?? ''})`);
        }
      })
      .on('end', resolve);
  });
  suite({ test: harness, factory: database });
  await ended;
  context.diagnostic(`${tests} tests, ${assertions} assertions`);
  assert.deepEqual(failures, []);
  // The suite runs what the database says that it supports: it must not become less unnoticed.
  assert.ok(tests >= 1400, `${tests} tests`);
});
