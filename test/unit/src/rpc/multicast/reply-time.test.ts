import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplyTime } from '../../../../../src/rpc/multicast/reply-time.ts';

describe('reply time', () => {
  it('follows the answers, within bounds', () => {
    const time = new ReplyTime();
    assert.equal(time.patienceMs, 50);
    for (let i = 0; i < 100; i++) time.heard(0.5);
    assert.equal(time.patienceMs, 20, 'the floor');
    for (let i = 0; i < 100; i++) time.heard(30);
    assert.ok(time.patienceMs >= 30 && time.patienceMs < 32, `${time.patienceMs}`);
    for (let i = 0; i < 100; i++) time.heard(10_000);
    assert.equal(time.patienceMs, 200, 'the ceiling');
  });

  it('leaves room for answers that vary', () => {
    const time = new ReplyTime();
    for (let i = 0; i < 100; i++) time.heard(i % 2 === 0 ? 20 : 40);
    assert.ok(time.patienceMs > 60, `${time.patienceMs}`);
  });

  it('doubles with each miss, up to the ceiling, until an answer comes', () => {
    const time = new ReplyTime();
    for (let i = 0; i < 100; i++) time.heard(30);
    const before = time.patienceMs;
    time.missed();
    assert.equal(time.patienceMs, 2 * before);
    for (let i = 0; i < 10; i++) time.missed();
    assert.equal(time.patienceMs, 200);
    time.heard(30);
    assert.ok(time.patienceMs < 2 * before);
  });
});
