import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmProgress } from '../../../../../src/cli/lsm/progress.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';

test('shows how far it is of a total that grows, and nothing once it is over', () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  {
    using progress = new LsmProgress(clock, { write: (text) => lines.push(text) });
    progress.show({ doneBytes: 0, totalBytes: 0 });
    clock.advance(5_000);
    assert.deepEqual(lines, [], 'of nothing there is no part');
    progress.show({ doneBytes: 0, totalBytes: 1000 });
    progress.show({ doneBytes: 500, totalBytes: 1000 });
    clock.advance(2_000);
    progress.show({ doneBytes: 1000, totalBytes: 4000 });
    clock.advance(2_000);
  }
  clock.advance(10_000);
  assert.equal(lines.length, 2);
  assert.match(lines[0], /^50 % {2}500B of /);
  assert.match(lines[1], /^25 % .* of 3\.91KiB/);
});
