/** What becomes of the engine on a Node that is too old for it: one whose zlib has no zstd and no crc32. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const OLD_ZLIB = 'data:text/javascript,export const constants = {}; export default { constants };';
const HOOKS = `import { registerHooks } from 'node:module';
registerHooks({
  resolve: (name, context, next) =>
    name === 'node:zlib' ? { url: ${JSON.stringify(OLD_ZLIB)}, shortCircuit: true } : next(name, context),
});`;
const ENTRIES = {
  'native-free-lsm': '../../../native-free-lsm/index.ts',
  'native-free-lsm/level': '../../../native-free-lsm/level/index.ts',
  'native-free-lsm/simulation': '../../../native-free-lsm/simulation/index.ts',
};

for (const [name, entry] of Object.entries(ENTRIES)) {
  test(`${name} says in a sentence which Node it needs`, () => {
    const url = import.meta.resolve(entry);
    const program = `try {
      await import(${JSON.stringify(url)});
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${encodeURIComponent(HOOKS)}`,
        '--input-type=module',
        '--eval',
        program,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), {
      code: 'UNSUPPORTED_RUNTIME',
      message: `native-free-lsm needs Node 22.15, 23.8 or newer, and this is Node ${process.versions.node}: install a newer one`,
    });
  });
}
