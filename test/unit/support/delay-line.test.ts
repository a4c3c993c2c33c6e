import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { DelayLine, LinkDirection } from '../../support/delay-line.ts';

/** A line whose deliveries are noted as `item@ms`. */
function makeLine(clock: FakeClock, direction: LinkDirection, takesMore: () => boolean = () => true) {
  const delivered: string[] = [];
  const line = new DelayLine<string>(direction, clock, (item) => {
    delivered.push(`${item}@${clock.monotonicMs()}`);
    return takesMore();
  });
  return { line, delivered };
}

describe('a delay line', () => {
  test('delivers at once without a delay, and after it with one', () => {
    const clock = new FakeClock();
    const direction = new LinkDirection();
    const { line, delivered } = makeLine(clock, direction);
    line.push('a', 1);
    assert.deepEqual(delivered, ['a@0']);
    direction.delayMs = 20;
    line.push('b', 1);
    clock.advance(5);
    line.push('c', 1);
    clock.advance(14);
    assert.deepEqual(delivered, ['a@0']);
    clock.advance(10);
    assert.deepEqual(delivered, ['a@0', 'b@20', 'c@25']);
    assert.equal(clock.pendingTimers, 0, 'nothing is on its way, so nothing is waited for');
  });

  test('keeps the order when the delay becomes shorter', () => {
    const clock = new FakeClock();
    const direction = new LinkDirection();
    const { line, delivered } = makeLine(clock, direction);
    direction.delayMs = 100;
    line.push('a', 1);
    direction.delayMs = 0;
    line.push('b', 1);
    assert.deepEqual(delivered, []);
    clock.advance(100);
    assert.deepEqual(delivered, ['a@100', 'b@100']);
    clock.advance(1);
    line.push('c', 1);
    assert.deepEqual(delivered.at(-1), 'c@101');
  });

  test('delivers nothing while it is frozen, and everything that is due when it thaws', () => {
    const clock = new FakeClock();
    const direction = new LinkDirection();
    const { line, delivered } = makeLine(clock, direction);
    const other = makeLine(clock, direction);
    direction.delayMs = 20;
    line.push('a', 3);
    direction.freeze();
    clock.advance(90);
    line.push('b', 4);
    other.line.push('x', 1);
    clock.advance(10);
    assert.deepEqual(delivered, []);
    assert.equal(line.queuedBytes, 7);
    assert.ok(direction.isFrozen);
    direction.thaw();
    assert.deepEqual(delivered, ['a@100']);
    clock.advance(10);
    assert.deepEqual(delivered, ['a@100', 'b@110']);
    assert.deepEqual(other.delivered, ['x@110'], 'a link has one state for all its connections');
    assert.equal(line.queuedBytes, 0);
  });

  test('holds all connections of a link to its rate together, each byte delayed as well', () => {
    const clock = new FakeClock();
    const direction = new LinkDirection();
    const one = makeLine(clock, direction);
    const two = makeLine(clock, direction);
    direction.bytesPerSecond = 1_000;
    direction.delayMs = 5;
    one.line.push('a', 100);
    two.line.push('x', 50);
    one.line.push('b', 100);
    clock.advance(1_000);
    assert.deepEqual(one.delivered, ['a@105', 'b@255']);
    assert.deepEqual(two.delivered, ['x@155']);
    one.line.push('c', 10);
    clock.advance(1_000);
    assert.equal(one.delivered.at(-1), 'c@1015', 'what was not used before is not saved');
  });

  test('waits for a receiver that takes no more', () => {
    const clock = new FakeClock();
    let takesMore = false;
    const { line, delivered } = makeLine(clock, new LinkDirection(), () => takesMore);
    line.push('a', 1);
    line.push('b', 1);
    clock.advance(50);
    assert.deepEqual(delivered, ['a@0']);
    takesMore = true;
    line.unblock();
    assert.deepEqual(delivered, ['a@0', 'b@50']);
  });

  test('loses what is on its way when it is closed, and takes nothing more', () => {
    const clock = new FakeClock();
    const direction = new LinkDirection();
    const { line, delivered } = makeLine(clock, direction);
    direction.delayMs = 10;
    line.push('a', 1);
    line.close();
    line.push('b', 1);
    direction.freeze();
    direction.thaw();
    clock.advance(100);
    assert.deepEqual(delivered, []);
    assert.equal(line.queuedBytes, 0);
    assert.equal(clock.pendingTimers, 0);
  });
});
