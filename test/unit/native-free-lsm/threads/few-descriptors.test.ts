/**
 * A process that may have few files open, of which tables and threads need many. Each call has an answer or an error that
 * says what to do, a close ends, and so does the process; nothing of the folder is lost.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Engine, open } from '../../../../native-free-lsm/index.ts';

/** Required, as Node 22 has many files of an import open at once. */
const ENGINE = fileURLToPath(new URL('../../../../native-free-lsm/index.ts', import.meta.url));
/** Tables stay as many as they are. */
const OPTIONS = { l0CompactionTables: 40, l0SlowdownTables: 100, l0StopTables: 120 };
const TABLES = 30;
/** With the first no thread can be started; with the last they can, but some of their calls find no descriptor. */
const LIMITS = [28, 40];

let folder: string;
let filled: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-descriptors-'));
  filled = join(folder, 'filled');
  await using engine = await open(filled, { ...OPTIONS, durability: 'none' });
  for (let i = 0; i < TABLES; i++) {
    await engine.put(`key${i}`, `value${i}`);
    await engine.flush();
  }
});
after(() => rm(folder, { recursive: true }));

/** In a process of its own: prints what has become of each call. */
function program(directory: string, singleThread: boolean): string {
  return `
    const { open } = require(${JSON.stringify(ENGINE)});
    const results = {};
    const note = async (name, call) => {
      results[name] = await call().then(() => 'done', (error) => error.code + ': ' + error.message);
    };
    (async () => {
      let engine;
      await note('open', async () => {
        engine = await open(${JSON.stringify(directory)}, ${JSON.stringify({ ...OPTIONS, singleThread })});
      });
      if (engine !== undefined) {
        await note('get', () => engine.get('key3'));
        await note('put', () => engine.put('new', 'value'));
        await note('scan', () => Array.fromAsync(engine.range()));
        await note('flush', () => engine.flush());
        await note('close', () => engine.close());
      }
      console.log(JSON.stringify(results));
    })();`;
}

async function textOf(engine: Engine, key: string): Promise<string> {
  return String(await engine.get(key));
}

for (const singleThread of [false, true])
  for (const limit of LIMITS)
    test(`${limit} descriptors cost answers, and neither the process nor the folder, singleThread ${singleThread}`, async (t) => {
      const directory = join(folder, `${limit}-${singleThread}`);
      await cp(filled, directory, { recursive: true });
      const shell = `ulimit -n ${limit}; exec "$0" --input-type=commonjs -e "$1"`;
      const given = ['-c', shell, process.execPath, program(directory, singleThread)];
      const { stdout } = await promisify(execFile)('sh', given, { timeout: 120_000 });
      const results: Readonly<Record<string, string>> = JSON.parse(stdout);
      t.diagnostic(stdout);
      for (const [name, result] of Object.entries(results))
        if (result !== 'done') assert.match(result, /^[A-Z_]+: .*ulimit -n/, name);
      if (results.open === 'done') assert.equal(results.close, 'done');
      await using engine = await open(directory, OPTIONS);
      for (let i = 0; i < TABLES; i++) assert.equal(await textOf(engine, `key${i}`), `value${i}`);
      if (results.put === 'done') assert.equal(await textOf(engine, 'new'), 'value');
    });
