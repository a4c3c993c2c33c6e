/**
 * Thousands of writes by multicast while everything about datagrams goes wrong. Each gets exactly one answer from each
 * replica, each is served once, and none that was answered well is missing. Failing, it prints the seed: run that alone
 * with MULTICAST_SEED=<seed>.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemRandom } from '../../../src/clock.ts';
import { ReplyKind } from '../../../src/reply.ts';
import { type StormOptions, WriteStorm } from './write-storm.ts';

const SEEDS = 6;
const STEPS = 600;

async function simulate(options: StormOptions): Promise<WriteStorm> {
  const storm = await WriteStorm.start(options);
  for (let step = 0; step < STEPS; step++) await storm.step();
  storm.calm();
  storm.check();
  return storm;
}

/** @returns the storms of all seeds; none when one seed was asked for, which may be a quiet one */
async function eachSeed(t: TestContext, options: Omit<StormOptions, 'seed'>): Promise<WriteStorm[]> {
  const given = process.env.MULTICAST_SEED;
  const draw = (): number => Math.floor(systemRandom() * 2 ** 32);
  const seeds = given === undefined ? Array.from({ length: SEEDS }, draw) : [Number(given)];
  const storms: WriteStorm[] = [];
  for (const seed of seeds) {
    t.diagnostic(`seed ${seed}`);
    try {
      storms.push(await simulate({ ...options, seed }));
    } catch (error) {
      throw new Error(`MULTICAST_SEED=${seed}`, { cause: error });
    }
  }
  return given === undefined ? storms : [];
}

/** A storm in which little happens shows nothing. */
function happened(
  storms: readonly WriteStorm[],
  figures: Readonly<Record<string, (storm: WriteStorm) => number>>,
): void {
  if (storms.length === 0) return;
  for (const [name, figure] of Object.entries(figures))
    assert.ok(
      storms.some((storm) => figure(storm) > 0),
      `${name} never happened`,
    );
}

test('datagrams that are lost, doubled, changed, late and sent again lose no write', async (t) => {
  const storms = await eachSeed(t, { isMulticast: true, breaksNodes: false });
  for (const { book, written } of storms)
    assert.equal(book.count(ReplyKind.ok), written.length, 'a write failed');
  happened(storms, {
    'a datagram': (storm) => storm.sum(({ sent }) => sent.datagrams),
    'a loss': (storm) => storm.sum(({ sent }) => sent.peers.reduce((sum, { resent }) => sum + resent, 0)),
    'a duplicate': (storm) => storm.sum(({ received }) => received.duplicates),
    'a late datagram': (storm) => storm.sum(({ received }) => received.resentInVain),
    'a changed datagram': (storm) => storm.sum(({ received }) => received.unsealed),
    "a stranger's datagram": (storm) => storm.sum(({ received }) => received.foreign),
  });
});

for (const isMulticast of [true, false]) {
  const by = isMulticast ? 'multicast' : 'unicast';
  test(`by ${by}, nodes that stand still, restart and lose connections answer each write once`, async (t) => {
    const storms = await eachSeed(t, { isMulticast, breaksNodes: true });
    happened(storms, {
      'a success': ({ book }) => book.count(ReplyKind.ok),
      'a failure': ({ book }) => book.count(ReplyKind.failed),
      'a restart': ({ restarts }) => restarts,
    });
  });
}
