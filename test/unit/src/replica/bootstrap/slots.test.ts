import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotSet } from '../../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import {
  type BulkPlan,
  decodePlan,
  encodePlan,
  encodeShare,
  isCopied,
  newPlan,
  replanned,
} from '../../../../../src/replica/bootstrap/bulk-plan.ts';
import { CountedSlots } from '../../../../../src/replica/bootstrap/counted-slots.ts';
import { decodeFilled, encodeFilled } from '../../../../../src/replica/bootstrap/filled-codec.ts';
import { WantedEntries } from '../../../../../src/replica/bootstrap/wanted-entries.ts';

const INCARNATION = '0123456789abcdef0123456789abcdef';

test('a set of slots has what was added, and counts it once', () => {
  const random = seededRandom(3);
  const set = new CountedSlots();
  const model = new Set<number>();
  for (let i = 0; i < 5_000; i++) {
    const slot = Math.floor(random() * 65_536);
    assert.equal(set.add(slot), !model.has(slot));
    model.add(slot);
  }
  for (let slot = 0; slot < 65_536; slot++) assert.equal(set.has(slot), model.has(slot));
  assert.equal(set.count, model.size);
  assert.deepEqual(new SlotSet(set.bytes).slots(), Uint16Array.from([...model].sort((a, b) => a - b)));
  const [first] = model;
  for (let times = 0; times < 2; times++) set.delete(first);
  assert.deepEqual([set.count, set.has(first)], [model.size - 1, false]);
  set.clear();
  assert.deepEqual([set.count, set.has([...model][0])], [0, false]);
});

test('which slots are filled counts for the folder and the lack that it was noted for, and no other', () => {
  const bits = new CountedSlots();
  for (const slot of [0, 7, 8, 65_535]) bits.add(slot);
  const kept = encodeFilled(1_700_000_000_001, INCARNATION, bits.bytes);
  assert.deepEqual([...(decodeFilled(kept, 1_700_000_000_001, INCARNATION) ?? [])], [...bits.bytes]);
  assert.equal(decodeFilled(kept, 1_700_000_000_002, INCARNATION), null);
  assert.equal(decodeFilled(kept, 1_700_000_000_001, `f${INCARNATION.slice(1)}`), null);
  assert.equal(decodeFilled(kept.subarray(0, 9), 1_700_000_000_001, INCARNATION), null);
});

test('each entry that a node owns is sent by exactly one source, one that has it, and no other entry is', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const random = seededRandom(5);
  const lists = Array.from({ length: 500 }, () => {
    const left = [...nodes];
    return nodes.slice(1).map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
  });
  const owners = { idsOf: (slot: number) => lists[slot] };
  for (const sources of [['b'], ['b', 'c'], ['e', 'd', 'b', 'c']]) {
    const wanted = sources.map((source) => new WantedEntries(owners, 'a', source, sources));
    for (const [slot, list] of lists.entries()) {
      for (let from = 1; from <= list.length; from++) {
        const senders = sources.filter((_, i) => {
          const least = wanted[i].leastFrom(slot);
          return least > 0 && from >= least;
        });
        const replicas = list.slice(0, from);
        if (!replicas.includes('a')) assert.deepEqual(senders, [], 'it owns no such entry');
        else {
          // With a `from` so small that no source has the entry, the sender sends none: it has none.
          const having = senders.filter((source) => replicas.includes(source));
          const couldHave = sources.some((source) => replicas.includes(source));
          assert.deepEqual([having.length, senders.length <= 1], [couldHave ? 1 : 0, true]);
        }
        assert.equal(wanted[0].leastFrom(slot), wanted[0].leastFrom(slot), 'asked again it is the same');
      }
    }
  }
});

function kept(plan: BulkPlan): [Uint8Array, Map<string, Uint8Array>] {
  return [encodePlan(plan), new Map(plan.shares.map((share) => [share.source, encodeShare(plan, share)]))];
}

test('a plan goes on where it was, for the folder and the lack that it is for', () => {
  const plan = newPlan(5, INCARNATION, ['b', 'c']);
  assert.equal(isCopied(plan), false);
  plan.shares[0].cursor = Buffer.from('m');
  plan.shares[1].cursor = null;
  const [whole, shares] = kept(plan);
  const found = decodePlan(whole, shares, 5, INCARNATION);
  assert.deepEqual(
    found?.shares.map(({ source, cursor }) => [source, cursor && Buffer.from(cursor).toString()]),
    [
      ['b', 'm'],
      ['c', null],
    ],
  );
  assert.equal(decodePlan(whole, shares, 6, INCARNATION), null);
  assert.equal(decodePlan(whole, shares, 5, 'another'), null);
  assert.equal(decodePlan(null, shares, 5, INCARNATION), null);
  // Of a share nothing may be kept, or only what was for an earlier lack: it begins anew.
  const old = kept({ ...plan, lack: 4 })[1];
  for (const other of [new Map<string, Uint8Array>(), old])
    assert.deepEqual(
      decodePlan(whole, other, 5, INCARNATION)?.shares.map(({ cursor }) => cursor?.length),
      [0, 0],
    );
});

test('with other sources a copy goes on from the key up to which all had come', () => {
  const plan = newPlan(5, INCARNATION, ['b', 'c', 'd']);
  plan.shares[0].cursor = Buffer.from('m');
  plan.shares[1].cursor = Buffer.from('d');
  plan.shares[2].cursor = null;
  assert.equal(replanned(plan, ['d', 'c', 'b']), plan, 'they are the same');
  const fewer = replanned(plan, ['b', 'd']);
  assert.deepEqual(
    fewer.shares.map(({ source, cursor }) => [source, Buffer.from(cursor ?? []).toString()]),
    [
      ['b', 'd'],
      ['d', 'd'],
    ],
  );
  for (const share of plan.shares) share.cursor = null;
  assert.equal(isCopied(replanned(plan, ['b'])), true);
  assert.equal(isCopied(replanned(newPlan(5, INCARNATION, []), ['b'])), false, 'nobody had sent anything');
});
