/**
 * Any call to the file system fails once, or a few in a row do. Every caller gets an error with a name or success,
 * nothing acknowledged is lost, now or after a restart, and after a full disk the engine goes on. `npm run
 * crash:points` goes through every call of many runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LsmError } from '../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { record } from '../../support/engine-calls.ts';
import { checkFailure } from '../../support/engine-failures.ts';
import { EngineHistory } from '../../support/engine-history.ts';
import { EngineSimulation } from '../../support/engine-simulation.ts';

const RUN = { seed: 3, steps: 24 } as const;

for (const [code, burst, alike, first] of [
  ['EIO', 1, 0, 0],
  ['ENOSPC', 1, 0, 2],
  ['EMFILE', 1, 0, 4],
  ['EROFS', 1, 0, 6],
  ['EIO', 3, 0, 8],
  ['EIO', 1, 3, 10],
] as const) {
  const times = alike > 0 ? `${alike} times the same call` : `calls in a row: ${burst}`;
  test(`${code}, ${times}: reported or overcome, nothing acknowledged is lost, and the engine goes on`, async () => {
    const { length } = await checkFailure({ ...RUN, code, burst, alike, failAt: -1 });
    assert.ok(length > 150);
    for (let failAt = first; failAt < length; failAt += 17)
      await checkFailure({ ...RUN, code, burst, alike, failAt });
  });
}
test('a disk that fills up refuses writes, keeps what it acknowledged, and takes writes when there is room', async () => {
  for (const capacityBytes of [20_000, 50_000, 90_000]) {
    const history = new EngineHistory();
    const simulation = new EngineSimulation(undefined, new MemoryFileSystem({ capacityBytes }));
    const store = simulation.openStore();
    let refused = 0;
    for (let i = 1; i <= 400; i++) {
      await simulation.settle(
        history.write(store, Buffer.from(`key${i % 50}`), record(i, `${i}`.repeat(200))),
      );
      if (history.failures.length > refused) refused = history.failures.length;
    }
    assert.ok(refused > 0, 'the disk was full');
    for (const error of history.failures) assert.match((error as LsmError).code, /^(?:NO_SPACE|OVERLOADED)$/);
    await simulation.settle(history.check(store));
    const left = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
    const recovered = left.openStore();
    await left.settle(history.check(recovered));
    await left.settle(recovered.close());

    simulation.fs.capacityBytes = Number.POSITIVE_INFINITY;
    await simulation.pass(20_000);
    const before = history.failures.length;
    for (let i = 1001; i <= 1050; i++) {
      await simulation.settle(
        history.write(store, Buffer.from(`key${i % 50}`), record(i, `${i}`.repeat(200))),
      );
    }
    assert.equal(history.failures.length, before, 'there is room again');
    await simulation.settle(history.check(store));
    await simulation.settle(store.close());
  }
});
