import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WaitingRoom } from '../../../../src/rpc/waiting-room.ts';

describe('waiting room', () => {
  it('has room for a number of connections, and then closes the oldest', () => {
    const room = new WaitingRoom<number>(3);
    for (const comer of [1, 2, 3]) assert.equal(room.add('x', comer), null);
    assert.equal(room.add('x', 4), 1);
    assert.equal(room.remove('x', 1), true);
    assert.equal(room.remove('x', 1), false);
    assert.deepEqual([...room], [2, 3, 4]);
    assert.equal(room.add('x', 5), 2);
  });

  it('closes a connection of the address that has the most, not one that waits alone', () => {
    const room = new WaitingRoom<string>(4);
    room.add('member', 'member 1');
    for (let i = 1; i <= 100; i++) {
      const gone = room.add('stranger', `stranger ${i}`);
      if (gone === null) continue;
      assert.equal(gone, `stranger ${i - 3}`);
      room.remove('stranger', gone);
    }
    assert.equal(room.size, 4);
    assert.deepEqual([...room][0], 'member 1');
  });

  it('forgets addresses that have no connection any more', () => {
    const room = new WaitingRoom<number>(2);
    room.add('x', 1);
    room.remove('x', 1);
    room.add('y', 2);
    room.add('z', 3);
    assert.equal(room.add('y', 4), 2);
    assert.deepEqual([...room], [2, 4, 3]);
  });
});
