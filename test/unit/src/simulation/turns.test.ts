import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTurns } from '../../../../src/simulation/turns.ts';

test('between two turns every chain of promises runs to its end, however long it is', async () => {
  const order: string[] = [];
  const chain = async (name: string, links: number): Promise<void> => {
    for (let i = 0; i < links; i++) await undefined;
    order.push(name);
  };
  let turn = 0;
  await runTurns(() => {
    order.push(`turn ${++turn}`);
    void chain(`chain ${turn}`, 1 + turn * 500);
    return turn < 3;
  });
  await chain('', 2_000);
  assert.deepEqual(order.slice(0, 6), ['turn 1', 'chain 1', 'turn 2', 'chain 2', 'turn 3', 'chain 3']);
});

test('a turn that fails ends the run with its error', async () => {
  await assert.rejects(
    runTurns(() => {
      throw new Error('no further');
    }),
    /no further/,
  );
});
