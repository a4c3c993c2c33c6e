import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CallTable, MAX_TAG, NO_CALL } from '../../../native-free-lsm/call-table.ts';

interface NamedCall {
  name: number;
}

/** As whoever gets an answer does. */
function take(table: CallTable<NamedCall>, tag: number): NamedCall | undefined {
  const call = table.find(tag);
  table.free(tag);
  return call;
}

function fill(table: CallTable<NamedCall>, count: number): number[] {
  return Array.from({ length: count }, (_, name) => table.add({ name }));
}

describe('a table of calls', () => {
  it('gives each call out once: an answer that comes twice finds nobody', () => {
    const table = new CallTable<NamedCall>();
    const call = { name: 1 };
    const tag = table.add(call);
    assert.equal(table.find(tag), call);
    assert.equal(take(table, tag), call);
    assert.equal(take(table, tag), undefined);
    assert.equal(table.find(tag), undefined);
    assert.equal(table.count, 0);
  });

  it('never hands a late answer to the call that has its slot now', () => {
    const table = new CallTable<NamedCall>();
    const [late] = fill(table, 1);
    take(table, late);
    const later = new Set<number>();
    for (let name = 0; name < 100; name++) {
      const tag = table.add({ name });
      later.add(tag);
      assert.equal(table.find(late), undefined);
      take(table, tag);
    }
    assert.equal(later.size, 100);
    assert.ok(!later.has(late));
  });

  it('passes over the slot of a call that waits for long', () => {
    const table = new CallTable<NamedCall>();
    const [waiting] = fill(table, 1);
    for (let name = 1; name <= 1000; name++) assert.equal(take(table, table.add({ name }))?.name, name);
    assert.equal(take(table, waiting)?.name, 0);
  });

  it('starts over behind the largest tag, and passes over what is still there', () => {
    const table = new CallTable<NamedCall>(MAX_TAG - 16);
    const [waiting] = fill(table, 1);
    assert.equal(waiting, MAX_TAG - 16);
    for (let name = 1; name < 16; name++) take(table, table.add({ name }));
    // The slot of tag MAX_TAG - 16 and of tag MAX_TAG is one.
    assert.deepEqual(fill(table, 3), [0, 1, 2]);
    assert.equal(take(table, waiting)?.name, 0);
    assert.equal(take(table, 2)?.name, 2);
  });

  it('finds nobody for what was never a tag', () => {
    const table = new CallTable<NamedCall>();
    for (const tag of [NO_CALL, -1, 0, 5, 0.5, Number.NaN]) assert.equal(take(table, tag), undefined);
    fill(table, 9);
    for (const tag of [NO_CALL, -1, 9, 16, 32, 0.5]) assert.equal(take(table, tag), undefined);
  });

  it('takes out those that are wanted, and all', () => {
    const table = new CallTable<NamedCall>();
    const tags = fill(table, 6);
    const isBelow = (call: NamedCall, limit: number): boolean => call.name < limit;
    assert.deepEqual(table.takeWhere(isBelow, 0), []);
    const names = (calls: readonly NamedCall[]): number[] => calls.map(({ name }) => name).sort();
    assert.deepEqual(names(table.takeWhere(isBelow, 2)), [0, 1]);
    assert.equal(table.find(tags[0]), undefined);
    assert.equal(table.count, 4);
    assert.deepEqual(names(table.takeAll()), [2, 3, 4, 5]);
    assert.equal(table.count, 0);
    assert.deepEqual(table.takeAll(), []);
  });

  it('gives a freed call to be filled anew', () => {
    const table = new CallTable<NamedCall>();
    assert.equal(table.reuse(), undefined);
    const first = { name: 0 };
    table.free(table.add(first));
    for (let name = 1; name < 16; name++) table.free(table.add({ name }));
    assert.equal(table.reuse(), first);
  });

  it('keeps freed calls up to a bound', () => {
    const table = new CallTable<NamedCall>();
    for (const tag of fill(table, 8192)) table.free(tag);
    let reused = 0;
    for (let i = 0; i < 16_384; i++) {
      const call = table.reuse();
      if (call !== undefined) reused++;
      table.free(table.add(call ?? { name: i }));
    }
    assert.equal(reused, 4096);
  });

  it('leaves what it has taken out to whoever took it', () => {
    const table = new CallTable<NamedCall>();
    fill(table, 5);
    const calls = table.takeAll();
    for (let i = 0; i < 16; i++) {
      const call = table.reuse();
      assert.ok(call === undefined || !calls.includes(call));
      table.free(table.add(call ?? { name: 9 }));
    }
  });

  it('has at most as many slots as it says, so that tags of calls under way differ modulo that', () => {
    assert.equal(CallTable.slotsFor(1), 16);
    assert.equal(CallTable.slotsFor(8192), 16_384);
    const table = new CallTable<NamedCall>();
    const slots = CallTable.slotsFor(100);
    const [first] = fill(table, 1);
    for (let round = 0; round < 50; round++) {
      const tags = fill(table, 99);
      assert.equal(new Set([first, ...tags].map((tag) => tag % slots)).size, 100);
      for (const tag of tags) take(table, tag);
    }
  });

  it('is a map from tags to calls, whatever is added and taken', () => {
    const step = fc.oneof(
      { arbitrary: fc.constant('add' as const), weight: 3 },
      fc.nat({ max: 200 }),
      fc.record({ limit: fc.nat({ max: 300 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new CallTable<NamedCall>();
        const model = new Map<number, NamedCall>();
        const given: number[] = [];
        for (const each of steps) {
          if (each === 'add') {
            const call = { name: given.length };
            const tag = table.add(call);
            assert.ok(!given.includes(tag));
            given.push(tag);
            model.set(tag, call);
          } else if (typeof each === 'number') {
            const tag = given[each] ?? each;
            assert.equal(take(table, tag), model.get(tag));
            model.delete(tag);
          } else {
            const taken = table.takeWhere((call, limit) => call.name >= limit, each.limit);
            const expected = [...model].filter(([, call]) => call.name >= each.limit);
            assert.deepEqual(new Set(taken), new Set(expected.map(([, call]) => call)));
            for (const [tag] of expected) model.delete(tag);
          }
          assert.equal(table.count, model.size);
        }
        for (const tag of given) assert.equal(table.find(tag), model.get(tag));
      }),
    );
  });
});
