/** The programs in the engine's documents do what is said of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { engineExamples, examplesIn, runExample } from '../support/doc-examples.ts';

/** Without threads: `npm run package:check` runs the same programs with the installed package. */
const PACKAGES = {
  'native-free-lsm': import.meta.resolve('../support/inline-door.ts'),
  'native-free-lsm/level': import.meta.resolve('../support/inline-level.ts'),
  'native-free-lsm/simulation': import.meta.resolve('../../native-free-lsm/simulation/index.ts'),
};

for (const [name, examples] of engineExamples()) {
  describe(`native-free-lsm/${name}`, () => {
    test('has programs', () => assert.ok(examples.length > 2));

    for (const example of examples)
      test(example.chapter || 'its first program', async () => {
        assert.deepEqual(await runExample(example, PACKAGES), example.prints);
      });
  });
}

test('a program that prints another thing than is said of it is found', async () => {
  const [first, second] = examplesIn(
    ['## A', '```js', 'console.log(1); //=> 2', '```', '## B', '```js', 'throw 5;', '```'].join('\n'),
  );
  assert.notDeepEqual(await runExample(first, PACKAGES), first.prints);
  await assert.rejects(runExample(second, PACKAGES), (thrown) => thrown === 5);
});
