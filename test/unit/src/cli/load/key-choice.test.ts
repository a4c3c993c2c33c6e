import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createKeyChoice,
  KEY_CHOICES,
  type KeyChoiceName,
  LoadKeys,
  ZipfianRanks,
} from '../../../../../src/cli/load/key-choice.ts';
import { seededRandom } from '../../../../../src/clock.ts';

const KEYS = 1_000;
const DRAWS = 200_000;

function counts(name: KeyChoiceName): number[] {
  const choice = createKeyChoice(name, new LoadKeys(KEYS), seededRandom(7));
  const found = new Array<number>(KEYS).fill(0);
  for (let i = 0; i < DRAWS; i++) found[choice.next()]++;
  return found;
}

for (const name of KEY_CHOICES) {
  test(`${name}: every number drawn is a key`, () => {
    const found = counts(name);
    assert.equal(found.length, KEYS);
    assert.equal(
      found.reduce((sum, count) => sum + count, 0),
      DRAWS,
    );
  });
}

test('uniform: each key as often as another', () => {
  for (const count of counts('uniform')) assert.ok(Math.abs(count - 200) < 100, `${count}`);
});

test('sequential: one after the other, from the start again; threads have parts of their own', () => {
  const keys = new LoadKeys(5);
  const first = createKeyChoice('sequential', keys, seededRandom(1), 0, 2);
  const second = createKeyChoice('sequential', keys, seededRandom(1), 1, 2);
  assert.deepEqual(
    Array.from({ length: 5 }, () => first.next()),
    [0, 2, 4, 0, 2],
  );
  assert.deepEqual(
    Array.from({ length: 4 }, () => second.next()),
    [1, 3, 1, 3],
  );
});

test('zipfian: ranks are as frequent as 1 / (rank + 1)^0.99 says, and scattered over the keys', () => {
  const ranks = new ZipfianRanks(KEYS, seededRandom(3));
  const found = new Array<number>(KEYS).fill(0);
  for (let i = 0; i < DRAWS; i++) found[ranks.next()]++;
  let zeta = 0;
  for (let rank = 1; rank <= KEYS; rank++) zeta += 1 / rank ** 0.99;
  for (const rank of [0, 1, 9, 99]) {
    // Exact for the first two, a few percent off for the others: the method is an approximation.
    const expected = DRAWS / zeta / (rank + 1) ** 0.99;
    const near = found.slice(Math.max(0, rank - 1), rank + 2);
    const mean = rank < 2 ? found[rank] : near.reduce((sum, count) => sum + count, 0) / near.length;
    assert.ok(Math.abs(mean / expected - 1) < 0.15, `rank ${rank}: ${mean} instead of ${expected}`);
  }
  const scattered = counts('zipfian');
  const popular = scattered.indexOf(Math.max(...scattered));
  assert.ok(scattered[popular] > DRAWS / zeta / 1.1);
  assert.notEqual(popular, 0);
});

test('latest: the newest keys most, also those that were inserted meanwhile', () => {
  const keys = new LoadKeys(KEYS);
  const choice = createKeyChoice('latest', keys, seededRandom(5));
  for (let i = 0; i < KEYS; i++) keys.acknowledge(keys.insert());
  const found = new Array<number>(2 * KEYS).fill(0);
  for (let i = 0; i < DRAWS; i++) found[choice.next()]++;
  assert.equal(found.indexOf(Math.max(...found)), 2 * KEYS - 1);
  assert.ok(found.slice(KEYS).reduce((sum, count) => sum + count, 0) > 0.8 * DRAWS);
});

test('no two threads insert the same key', () => {
  const inserted = [0, 1, 2].flatMap((thread) => {
    const keys = new LoadKeys(10, thread, 3);
    return Array.from({ length: 4 }, () => keys.insert());
  });
  assert.deepEqual(
    inserted.sort((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => 10 + i),
  );
});

for (const name of KEY_CHOICES) {
  test(`${name}: a key is asked for once its insert was acknowledged, by the thread that inserted it`, () => {
    const keys = new LoadKeys(10, 1, 3);
    const choice = createKeyChoice(name, keys, seededRandom(2));
    const drawn = (): Set<number> => new Set(Array.from({ length: 3_000 }, () => choice.next()));
    const inserted = Array.from({ length: 60 }, () => keys.insert());
    assert.deepEqual(inserted.slice(0, 3), [11, 14, 17]);
    assert.ok([...drawn()].every((key) => key < 10));
    // Answers come in any order, and to some inserts none.
    const acknowledged = inserted.filter((_, i) => i % 2 === 0).reverse();
    for (const key of acknowledged) keys.acknowledge(key);
    const all = drawn();
    assert.ok(acknowledged.filter((key) => all.has(key)).length >= 15);
    for (const key of all) assert.ok(key < 10 || acknowledged.includes(key), `${key}`);
  });
}

test('zipfian: what is popular stays popular while keys are inserted, and new ones get their share', () => {
  const keys = new LoadKeys(KEYS);
  const choice = createKeyChoice('zipfian', keys, seededRandom(9));
  const drawn = (): number[] => {
    const found = new Array<number>(2 * KEYS).fill(0);
    for (let i = 0; i < DRAWS; i++) found[choice.next()]++;
    return found;
  };
  const popular = (found: readonly number[]): number[] =>
    found
      .map((count, key) => ({ count, key }))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, 20)
      .map(({ key }) => key);
  const before = popular(drawn());
  for (let i = 0; i < KEYS / 10; i++) keys.acknowledge(keys.insert());
  const after = new Set(popular(drawn()));
  const stayed = before.filter((key) => after.has(key)).length;
  assert.ok(stayed >= 15, `${stayed} of 20, where a tenth more keys take a tenth of them away`);
  for (let i = keys.count; i < 2 * KEYS; i++) keys.acknowledge(keys.insert());
  const share =
    drawn()
      .slice(KEYS)
      .reduce((sum, count) => sum + count, 0) / DRAWS;
  assert.ok(share > 0.3 && share < 0.7, `half of the keys are new: ${share}`);
});
