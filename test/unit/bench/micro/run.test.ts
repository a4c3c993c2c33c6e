import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readResults } from '../../../../bench/micro/results-file.ts';

const RUN = fileURLToPath(new URL('../../../../bench/micro/run.ts', import.meta.url));
let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-micro-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): { status: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], { encoding: 'utf8' });
  return { status, out: stdout, error: stderr };
}

test('a run prints its table, keeps its figures, and compares itself with an earlier one', () => {
  const file = join(folder, 'figures', 'micro.json');
  const flags = ['--only', '^varint', '--time-ms', '10', '--rounds', '2', '--json', file];
  const first = run(...flags);
  assert.equal(first.status, 0, first.error);
  assert.match(first.out, /^varint: write +[\d.]+ +[\d,]+ +[\d.]+ % +\d+$/m);
  assert.match(first.out, /^varint: read /m);
  const { figures, node } = readResults(file);
  assert.equal(node, process.version);
  assert.deepEqual(
    figures.map(({ name, rounds }) => [name, rounds.length]),
    [
      ['varint: write', 2],
      ['varint: read', 2],
    ],
  );
  // The file it reads is the one it then replaces.
  const earlier = figures.map((figure) => ({ ...figure, nsPerOperation: 1e9, margin: 0.01 }));
  writeFileSync(file, JSON.stringify({ ...readResults(file), node: 'v0.0.0', figures: earlier }));
  const second = run(...flags, '--compare', file);
  // No verdict: whatever it finds, a run that ran is a success.
  assert.equal(second.status, 0, second.error);
  assert.match(second.out, /^varint: read +1,000,000,000 .* 0\.00 +faster$/m);
  assert.match(second.out, /^The earlier run had another node: v0\.0\.0$/m);
  assert.ok(readResults(file).figures.every(({ nsPerOperation }) => nsPerOperation < 1e9));
});

test('--list names the cases and measures nothing', () => {
  const { status, out } = run('--list', '--only', 'checksum: 4 KiB');
  assert.equal(status, 0);
  assert.equal(out, 'checksum: 4 KiB of own memory\nchecksum: 4 KiB of shared memory\n');
});

test('what cannot run says why and is a failure', () => {
  const other = join(folder, 'other.json');
  writeFileSync(other, '{"format":1,"figures":[{"name":"a"}]}');
  const faults: readonly (readonly [readonly string[], RegExp])[] = [
    [['--only', 'no such case'], /^bench:micro: no case matches no such case: --list names them all\n$/],
    [['--only', '('], /^error: option '--only <pattern>' .*Unterminated group\n/],
    [['--time-ms', '0'], /^error: option '--time-ms <n>' .*Give a whole number from 1 on\.\n/],
    [['--compare', join(folder, 'none.json')], /^bench:micro: ENOENT.*none\.json/],
    [['--compare', other], /^bench:micro: .*other\.json holds no figures of this benchmark\n$/],
    [['--fast'], /^error: unknown option '--fast'/],
  ];
  for (const [args, message] of faults) {
    const { status, out, error } = run(...args);
    assert.equal(status, 1, args.join(' '));
    assert.equal(out, '');
    assert.match(error, message);
  }
  assert.equal(readFileSync(other, 'utf8'), '{"format":1,"figures":[{"name":"a"}]}');
});
