/** A lock file that goes away under an engine: others can take a lock then, and must not find their files removed. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Engine, open } from '../../../../native-free-lsm/index.ts';
import { EngineSimulation, NoBackground, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const LOST = { code: 'POISONED', message: /LOCK was removed or replaced .* stop every process/ };
const NO_LOCK_FILES_GO = process.platform === 'win32' && 'Windows removes no file that is open';

function keyOf(i: number): string {
  return `key${String(i).padStart(3, '0')}`;
}

async function fill(engine: Engine, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await engine.put(keyOf(i), `value${i}`);
  await engine.flush();
}

for (const [how, lose] of [
  ['removed', (path: string) => unlinkSync(path)],
  [
    'replaced',
    (path: string) => {
      renameSync(path, `${path}.old`);
      writeFileSync(path, '');
      unlinkSync(`${path}.old`);
    },
  ],
] as const)
  test(`an engine whose lock file is ${how} changes nothing more, and the one that has the lock then loses nothing`, {
    skip: NO_LOCK_FILES_GO,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'native-free-lsm-lock-'));
    try {
      const directory = join(folder, 'db');
      const reports: string[] = [];
      const first = await open(
        directory,
        { l0CompactionTables: 2 },
        { report: (text) => void reports.push(text) },
      );
      await fill(first, 0, 10);
      await fill(first, 10, 20);
      await assert.rejects(open(directory), { code: 'LOCKED' });
      lose(join(directory, 'LOCK'));
      const second = await open(directory);
      await fill(second, 20, 30);
      await assert.rejects(fill(first, 100, 110), LOST);
      await assert.rejects(first.put('late', 'value'), LOST);
      await assert.rejects(first.compact(), LOST);
      assert.equal(String(await first.get(keyOf(3))), 'value3');
      const poisoned = first.stats().conditions.find(({ code }) => code === 'POISONED');
      assert.match(poisoned?.message ?? '', LOST.message);
      assert.ok(reports.some((report) => LOST.message.test(report)));
      await first.close();
      await second.put('after', 'value');
      await second.compact();
      for (let i = 0; i < 30; i++) assert.equal(String(await second.get(keyOf(i))), `value${i}`);
      await second.close();
      await using third = await open(directory);
      for (let i = 0; i < 30; i++) assert.equal(String(await third.get(keyOf(i))), `value${i}`);
      assert.equal(String(await third.get('after')), 'value');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

test('an engine whose lock file was removed before its first write acknowledges none', {
  skip: NO_LOCK_FILES_GO,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'native-free-lsm-lock-'));
  try {
    const directory = join(folder, 'db');
    await using idle = await open(directory, {}, { report: () => undefined });
    unlinkSync(join(directory, 'LOCK'));
    await assert.rejects(idle.put('first', 'value'), LOST);
    await assert.rejects(idle.put('second', 'value'), LOST);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('it is noticed when the next log begins, too', async () => {
  const options = { ...TINY_OPTIONS, maxSealedMemtables: 12 };
  // Nothing is flushed, so nothing changes the manifest.
  const simulation = new EngineSimulation(options, undefined, (context) => new NoBackground(context));
  const engine = await simulation.openEngine();
  simulation.fs.removeSync('/db/LOCK');
  let written = 0;
  const writing = (async () => {
    for (; written < 1_000; written++) await engine.put(keyOf(written), Buffer.alloc(1_000));
  })();
  await assert.rejects(simulation.settle(writing), LOST);
  assert.ok(written > 10 && written < 200, `${written}`);
});
