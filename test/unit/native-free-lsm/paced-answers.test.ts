import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyOperation } from '../../../native-free-lsm/index.ts';
import { PacedAnswers } from '../../../native-free-lsm/paced-answers.ts';
import { type WriteSink, WriteStatus } from '../../../native-free-lsm/store/sinks.ts';
import { EngineSimulation } from '../../support/engine-simulation.ts';

/** Turns of an event loop, one by one. */
class Turns {
  #due: (() => void)[] = [];

  readonly clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: () => ({ cancel: () => undefined }),
    endOfTurn: (callback: () => void) => void this.#due.push(callback),
  };

  get isIdle(): boolean {
    return this.#due.length === 0;
  }

  end(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

test('answers that come together are passed on in their order, one in a turn, and none is kept', () => {
  const turns = new Turns();
  const passed: unknown[][] = [];
  const sink: WriteSink = { onWrite: (...answer) => void passed.push(answer) };
  const paced = new PacedAnswers(sink, turns.clock);
  const fault = new Error('the third');
  for (let token = 0; token < 3; token++)
    paced.onWrite(
      token,
      token === 2 ? WriteStatus.failed : WriteStatus.applied,
      token + 7,
      token + 8,
      token === 2 ? fault : null,
    );
  const expected = [
    [0, WriteStatus.applied, 7, 8, null],
    [1, WriteStatus.applied, 8, 9, null],
    [2, WriteStatus.failed, 9, 10, fault],
  ];
  const seen: number[] = [];
  for (let turn = 0; !turns.isIdle; turn++) {
    seen.push(passed.length);
    turns.end();
    assert.ok(turn < 20);
  }
  assert.deepEqual(passed, expected);
  assert.ok(
    seen.every((count, turn) => turn === 0 || count - seen[turn - 1] <= 1),
    `${seen}`,
  );
  // After a rest the first one waits for nothing.
  paced.onWrite(3, WriteStatus.applied, 0, 0, null);
  assert.equal(passed.length, 4);
});

test('one that comes while another is passed on waits for its turn', () => {
  const turns = new Turns();
  const passed: number[] = [];
  const paced: PacedAnswers = new PacedAnswers(
    {
      onWrite: (token) => {
        passed.push(token);
        if (token < 3) paced.onWrite(token + 10, WriteStatus.applied, 0, 0, null);
      },
    },
    turns.clock,
  );
  paced.onWrite(1, WriteStatus.applied, 0, 0, null);
  paced.onWrite(2, WriteStatus.applied, 0, 0, null);
  assert.deepEqual(passed, [1]);
  while (!turns.isIdle) turns.end();
  assert.deepEqual(passed, [1, 11, 2, 12]);
});

test('large batches that are under way together are all answered, also by a close', async () => {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  const batch = (name: string): KeyOperation[] =>
    Array.from({ length: 300 }, (_, i) => ({
      type: 'put',
      key: Buffer.from(`${name} ${i}`),
      value: Buffer.from('value'),
    }));
  const answered: string[] = [];
  const writes = ['a', 'b', 'c', 'd'].map(async (name) => {
    await engine.write(batch(name));
    answered.push(name);
  });
  await simulation.settle(engine.close());
  await simulation.settle(Promise.all(writes));
  assert.deepEqual(answered, ['a', 'b', 'c', 'd']);
  const late = engine.write(batch('late'));
  await assert.rejects(simulation.settle(late), { code: 'CLOSED' });
});
