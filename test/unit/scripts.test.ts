import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scriptProcess } from '../support/process-paths.ts';
import type { CliRun } from '../support/run-cli.ts';
import { WarmCommands } from '../support/warm-commands.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};
/** Those that are a file of ours. */
const OURS = Object.entries(scripts).flatMap(([name, command]) => {
  const file = /^node ((?:bench|test)\/\S+\.ts)/.exec(command)?.[1];
  return file === undefined ? [] : [{ name, file }];
});

/** One process for all: what a script costs before it looks at its flags is to load what it imports. */
const scriptRunner = new WarmCommands(scriptProcess);
after(() => scriptRunner[Symbol.dispose]());

function run(file: string, ...flags: string[]): Promise<CliRun> {
  return scriptRunner.run([`${ROOT}${file}`, ...flags]);
}

test('the scripts were found', () => {
  assert.ok(OURS.length >= 8, String(OURS.length));
});

for (const { name, file } of OURS) {
  test(`${name} tells its flags, and does nothing with one that it does not know or that makes no sense`, async () => {
    const help = await run(file, '--help');
    assert.equal(help.exitCode, 0, help.stderr);
    const manual = String(help.stdout);
    assert.ok(manual.startsWith(`Usage: npm run ${name} -- [options]`), manual);
    const numbers = [...manual.matchAll(/^ {2}(--[a-z-]+) <n>/gm)].map(([, flag]) => flag);
    assert.ok(numbers.length > 0);
    for (const flags of [['--bogus'], ['stray'], ...numbers.map((flag) => [flag, 'x1'])]) {
      const refused = await run(file, ...flags);
      assert.equal(refused.exitCode, 1, `${flags.join(' ')}: ${refused.stdout}`);
      assert.match(refused.stderr, /^error: /, flags.join(' '));
      assert.equal(String(refused.stdout), '');
    }
  });
}
