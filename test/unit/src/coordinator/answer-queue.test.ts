import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerQueue } from '../../../../src/coordinator/answer-queue.ts';

test('answers at once, unless answers are held: then in order, when the last hold is released', () => {
  const queue = new AnswerQueue();
  const said: string[] = [];
  const say = (text: string) => ({ answer: () => void said.push(text) });
  queue.add(say('a'));
  assert.deepEqual(said, ['a']);
  queue.hold();
  queue.add(say('b'));
  queue.hold();
  queue.add(say('c'));
  queue.release();
  assert.deepEqual(said, ['a']);
  queue.release();
  assert.deepEqual(said, ['a', 'b', 'c']);
});

test('an answer that leads to the next, a hundred thousand times, does not grow the stack', () => {
  const queue = new AnswerQueue();
  let left = 100_000;
  const chain = {
    answer: () => {
      if (--left === 0) return;
      queue.hold();
      queue.add(chain);
      queue.release();
    },
  };
  queue.add(chain);
  assert.equal(left, 0);
});

test('an answer that throws does not keep later ones from being given', () => {
  const queue = new AnswerQueue();
  const said: string[] = [];
  const failing = {
    answer: () => {
      throw new Error('broken');
    },
  };
  assert.throws(() => queue.add(failing), /broken/);
  queue.add({ answer: () => void said.push('next') });
  assert.deepEqual(said, ['next']);
});
