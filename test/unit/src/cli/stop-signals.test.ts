import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StopSignals } from '../../../../src/cli/stop-signals.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

describe('stop signals', () => {
  it('are counted, whichever they are', () => {
    const clock = new FakeClock();
    const counts: number[] = [];
    using _signals = new StopSignals(clock, (count) => counts.push(count));
    process.emit('SIGINT');
    clock.advance(60);
    process.emit('SIGTERM');
    clock.advance(1_000);
    process.emit('SIGHUP');
    assert.deepEqual(counts, [1, 2, 3]);
  });

  it('that are copies of one keystroke count once', () => {
    const clock = new FakeClock();
    const counts: number[] = [];
    using _signals = new StopSignals(clock, (count) => counts.push(count));
    process.emit('SIGINT');
    clock.advance(5);
    process.emit('SIGINT');
    clock.advance(60);
    process.emit('SIGINT');
    process.emit('SIGINT');
    assert.deepEqual(counts, [1, 2]);
  });

  it('do what they always did once nobody listens', () => {
    const before = process.listenerCount('SIGINT');
    const signals = new StopSignals(new FakeClock(), () => undefined);
    assert.equal(process.listenerCount('SIGINT'), before + 1);
    signals[Symbol.dispose]();
    assert.equal(process.listenerCount('SIGINT'), before);
  });
});
