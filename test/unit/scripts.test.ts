import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};
/** Those that are a file of ours. */
const OURS = Object.entries(scripts).flatMap(([name, command]) => {
  const file = /^node ((?:bench|test)\/\S+\.ts)/.exec(command)?.[1];
  return file === undefined ? [] : [{ name, file }];
});

function run(file: string, ...flags: string[]) {
  return spawnSync(process.execPath, [file, ...flags], { cwd: ROOT, encoding: 'utf8' });
}

test('the scripts were found', () => {
  assert.ok(OURS.length >= 8, String(OURS.length));
});

for (const { name, file } of OURS) {
  test(`${name} tells its flags, and does nothing with one that it does not know or that makes no sense`, () => {
    const help = run(file, '--help');
    assert.equal(help.status, 0, help.stderr);
    assert.ok(help.stdout.startsWith(`Usage: npm run ${name} -- [options]`), help.stdout);
    const numbers = [...help.stdout.matchAll(/^ {2}(--[a-z-]+) <n>/gm)].map(([, flag]) => flag);
    assert.ok(numbers.length > 0);
    for (const flags of [['--bogus'], ['stray'], ...numbers.map((flag) => [flag, 'x1'])]) {
      const refused = run(file, ...flags);
      assert.equal(refused.status, 1, `${flags.join(' ')}: ${refused.stdout}`);
      assert.match(refused.stderr, /^error: /, flags.join(' '));
      assert.equal(refused.stdout, '');
    }
  });
}
