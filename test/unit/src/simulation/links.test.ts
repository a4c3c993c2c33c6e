import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Links } from '../../../../src/simulation/links.ts';

describe('links between hosts', () => {
  let opened = 0;
  let changes: (string | number)[][] = [];
  let links: Links;
  beforeEach(() => {
    opened = 0;
    changes = [];
    links = new Links(
      () => opened++,
      (...change) => changes.push(change),
    );
  });

  test('an untouched way is open, without delay, and as fast as its sender', () => {
    assert.ok(links.isOpen('a', 'b'));
    assert.equal(links.delayMs('a', 'b'), 0);
    assert.equal(links.bytesPerMs('a', 'b'), Number.POSITIVE_INFINITY);
  });

  test('each direction is by itself', () => {
    links.block('a', 'b');
    links.setDelay('a', 'b', 40);
    links.setRate('a', 'b', 3);
    assert.ok(!links.isOpen('a', 'b'));
    assert.ok(links.isOpen('b', 'a'));
    assert.deepEqual([links.delayMs('a', 'b'), links.delayMs('b', 'a')], [40, 0]);
    assert.deepEqual([links.bytesPerMs('a', 'b'), links.bytesPerMs('b', 'a')], [3, Number.POSITIVE_INFINITY]);
  });

  test('a way whose rate changes says so, with the rate before', () => {
    links.setRate('a', 'b', 3);
    links.setRate('a', 'b', 3);
    links.setRate('a', 'b', Number.POSITIVE_INFINITY);
    assert.deepEqual(changes, [
      ['a', 'b', Number.POSITIVE_INFINITY, 3],
      ['a', 'b', 3, Number.POSITIVE_INFINITY],
    ]);
  });

  test('two faults that block a way hold until both have ended', () => {
    links.block('a', 'b');
    links.block('a', 'b');
    links.unblock('a', 'b');
    assert.ok(!links.isOpen('a', 'b'));
    links.unblock('a', 'b');
    assert.ok(links.isOpen('a', 'b'));
    assert.equal(opened, 2, 'what waits looks each time');
  });

  test('a host that is off is reached by nobody, and reaches nobody', () => {
    links.turnOff('b');
    assert.ok(!links.isOpen('a', 'b'));
    assert.ok(!links.isOpen('b', 'a'));
    assert.ok(links.isOpen('a', 'c'));
    links.block('a', 'b');
    links.turnOn('b');
    assert.ok(!links.isOpen('a', 'b'), 'it is still blocked');
    assert.ok(links.isOpen('b', 'a'));
    assert.equal(opened, 1);
  });
});
