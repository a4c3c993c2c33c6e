import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testFiles } from '../../support/test-files.ts';
import { ALONE, BEGUN_FIRST, filesTogether, processesOf, TOGETHER } from '../../support/test-plan.ts';

describe('which files of tests share a process', () => {
  const files = testFiles();

  it('each file of tests of this repository runs once', () => {
    const started = processesOf(files);
    const shared = started.filter((file) => file.endsWith(`/${TOGETHER}`));
    assert.ok(shared.length > 0);
    const run = started
      .filter((file) => !shared.includes(file))
      .concat(shared.flatMap((file) => filesTogether(files, file.slice(0, -TOGETHER.length - 1))));
    assert.deepEqual(
      run.toSorted(),
      files.filter((file) => !shared.includes(file)),
    );
    for (const file of shared)
      assert.notDeepEqual(filesTogether(files, file.slice(0, -TOGETHER.length - 1)), [], file);
  });

  it('what is listed is there', () => {
    for (const file of [...Object.keys(ALONE), ...BEGUN_FIRST]) assert.ok(files.includes(file), file);
  });

  it('a file shares that of the nearest folder above which has one', () => {
    const some = [
      'a/b/together.ts',
      'a/b/c/d.test.ts',
      'a/b/e.test.ts',
      'a/b/c/together.ts',
      'a/bc/f.test.ts',
    ];
    assert.deepEqual(filesTogether(some, 'a/b'), ['a/b/e.test.ts']);
    assert.deepEqual(filesTogether(some, 'a/b/c'), ['a/b/c/d.test.ts']);
    assert.deepEqual(processesOf(some), ['a/b/c/together.ts', 'a/b/together.ts', 'a/bc/f.test.ts']);
  });

  it('one that is listed has a process of its own, and what takes longest begins first', () => {
    const shared = 'test/unit/bench/together.ts';
    const alone = Object.keys(ALONE).find((file) => file.startsWith('test/unit/bench/'))!;
    assert.deepEqual(filesTogether([shared, alone], 'test/unit/bench'), []);
    assert.deepEqual(processesOf([shared, alone, ...BEGUN_FIRST.toReversed()]), [
      ...BEGUN_FIRST,
      alone,
      shared,
    ]);
  });
});
