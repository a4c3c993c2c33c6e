/** What stands on the command line of a program is not for the threads of its engine. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const ENGINE = new URL('../../../../native-free-lsm/index.ts', import.meta.url).href;
let folder: string;
/** Ends every thread but the main one. */
let preloaded: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-options-'));
  const path = join(folder, 'main-alone.mjs');
  await writeFile(
    path,
    "import { isMainThread } from 'node:worker_threads'; if (!isMainThread) process.exit(5);",
  );
  preloaded = pathToFileURL(path).href;
});
after(() => rm(folder, { recursive: true }));

for (const singleThread of [false, true]) {
  test(`an engine works with preloaded modules and code on the command line, singleThread ${singleThread}`, async () => {
    const program = `
      import { open } from '${ENGINE}';
      const engine = await open(${JSON.stringify(join(folder, `${singleThread}`))}, { singleThread: ${singleThread} });
      await engine.put(Buffer.from('key'), Buffer.from('value'));
      await engine.flush();
      console.log(String(await engine.get(Buffer.from('key'))));
      await engine.close();`;
    const options = ['--import', preloaded, '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 60_000 });
    assert.equal(stdout, 'value\n');
  });
}
