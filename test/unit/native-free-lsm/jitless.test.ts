/**
 * Node with `--jitless`, as where memory that can be run may not be made, has no WebAssembly. It cannot even strip types
 * there, so what runs is what a package would have.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

const ENGINE = path.resolve(import.meta.dirname, '../../../native-free-lsm');
const folder = mkdtempSync(path.join(tmpdir(), 'native-free-lsm-jitless-'));
after(() => rmSync(folder, { recursive: true }));

/** The engine without types. */
function stripEngine(): void {
  const engine = path.join(folder, 'engine');
  for (const file of globSync('**/*.ts', { cwd: ENGINE, exclude: ['**/node_modules', 'dist'] })) {
    const to = path.join(engine, file.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(to), { recursive: true });
    const code = stripTypeScriptTypes(readFileSync(path.join(ENGINE, file), 'utf8'));
    writeFileSync(to, code.replaceAll(/(['"`]\.[^'"`]*)\.ts(['"`])/g, '$1.js$2'));
  }
  writeFileSync(path.join(engine, 'package.json'), '{ "type": "module" }');
  symlinkSync(path.resolve(ENGINE, '../node_modules'), path.join(folder, 'node_modules'), 'junction');
}

test('an engine writes and reads tables in LZ4 where there is no WebAssembly', async () => {
  const program = path.join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { open } from './engine/index.js';
    const results = [typeof WebAssembly];
    for (const singleThread of [true, false]) {
      const engine = await open(process.argv[2], { singleThread, blockCacheBytes: 0 });
      for (let i = 0; i < 200; i++) void engine.put('key' + i, 'value '.repeat(i));
      await engine.compact();
      const entries = await Array.fromAsync(engine.range());
      results.push(entries.length, String(await engine.get('key3')), String(engine.getSync('key2')));
      await engine.close();
    }
    console.log(JSON.stringify(results));`,
  );
  stripEngine();
  const options = ['--jitless', program, path.join(folder, 'db')];
  const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 120_000 });
  const found = [200, 'value value value ', 'value value '];
  assert.deepEqual(JSON.parse(stdout), ['undefined', ...found, ...found]);
});
