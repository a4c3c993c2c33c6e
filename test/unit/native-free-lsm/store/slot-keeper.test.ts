import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const MOST_TURNS_BETWEEN = 12;

test('what is asked when the last job has just answered is answered, too', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const askInARow = async (): Promise<number> => {
    let answered = 0;
    for (let turnsBetween = 0; turnsBetween < MOST_TURNS_BETWEEN; turnsBetween++) {
      const versions = await store.slotVersions(turnsBetween);
      assert.equal(versions.count, 0);
      for (let turn = 0; turn < turnsBetween; turn++) await undefined;
      answered++;
    }
    return answered;
  };
  assert.equal(await simulation.settle(askInARow()), MOST_TURNS_BETWEEN);
  await simulation.settle(store.close());
});
