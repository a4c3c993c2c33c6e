import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FillProgress } from '../../../../src/cli/progress.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const MIB = 2 ** 20;

describe('the progress of a fill', () => {
  it('is a line every two seconds where nobody watches', () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    let doneBytes = 0;
    {
      using _progress = new FillProgress({ totalBytes: 400 * MIB, doneBytes: () => doneBytes }, clock, {
        write: (text: string) => lines.push(text),
      });
      clock.advance(2_000);
      doneBytes = 100 * MIB;
      clock.advance(2_000);
      doneBytes = 401 * MIB;
      clock.advance(2_000);
    }
    clock.advance(10_000);
    assert.deepEqual(lines, [
      '0 %  0B of 400MiB  0 MB/s  ? left\n',
      '25 %  100MiB of 400MiB  26 MB/s  12 s left\n',
      '100 %  400MiB of 400MiB  70 MB/s  0 s left\n',
    ]);
    assert.equal(clock.pendingTimers, 0);
  });

  it('says long times in larger units', () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    using _progress = new FillProgress({ totalBytes: 10_000 * MIB, doneBytes: () => MIB }, clock, {
      write: (text: string) => lines.push(text),
    });
    clock.advance(2_000);
    assert.match(lines[0], / 5 h 33 min left\n$/);
  });
});
