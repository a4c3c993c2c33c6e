import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findPlanted } from './find.ts';
import { MUTATIONS } from './mutations.ts';

/** Those that are found so soon are looked for in each run of the tests; `npm run simulate:planted` looks for all. */
const SOON = 2;
/** The seeds in which a fault shows change with the product. */
const MOST_SEEDS = 40;

describe('a fault that is planted is found', () => {
  for (const mutation of MUTATIONS.filter(({ foundIn }) => foundIn <= SOON)) {
    test(`${mutation.part}: ${mutation.name}`, async (context) => {
      const { seeds, sentence } = await findPlanted(mutation, MOST_SEEDS);
      assert.notEqual(seeds, 0, `not found in ${MOST_SEEDS} seeds`);
      context.diagnostic(`seed ${seeds}: ${sentence.split('\n')[0]}`);
    });
  }

  test('there are at least fifteen, each with another name, and each part has one', () => {
    assert.ok(MUTATIONS.length >= 15);
    assert.equal(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length);
    const parts = new Set(MUTATIONS.map(({ part }) => part));
    assert.deepEqual([...parts].sort(), ['RPC', 'coordinator', 'engine', 'repair', 'replica', 'watermark']);
  });
});
