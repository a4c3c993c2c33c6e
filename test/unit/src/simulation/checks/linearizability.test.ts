import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  describeFault,
  linearizabilityFault,
  type RegisterOperation,
} from '../../../../../src/simulation/checks/linearizability.ts';

const UNKNOWN = Number.POSITIVE_INFINITY;

function write(value: string | null, calledAt: number, answeredAt: number, key = 'k'): RegisterOperation {
  return { key, kind: 'write', value, calledAt, answeredAt };
}

function read(value: string | null, calledAt: number, answeredAt: number, key = 'k'): RegisterOperation {
  return { key, kind: 'read', value, calledAt, answeredAt };
}

function expiry(value: string, calledAt: number): RegisterOperation {
  return { key: 'k', kind: 'expiry', value, calledAt, answeredAt: UNKNOWN };
}

const GOOD: Readonly<Record<string, RegisterOperation[]>> = {
  'nothing at all': [],
  'a key that was never written': [read(null, 1, 2)],
  'one after the other': [write('a', 1, 2), read('a', 3, 4), write(null, 5, 6), read(null, 7, 8)],
  'a read beside a write may be early': [
    write('a', 1, 2),
    write('b', 3, 9),
    read('a', 4, 5),
    read('b', 6, 7),
  ],
  'two writes at a time may end in either order': [write('a', 1, 5), write('b', 2, 4), read('a', 6, 7)],
  'two reads beside two writes agree on an order': [
    write('a', 1, 10),
    write('b', 2, 9),
    read('b', 3, 4),
    read('a', 5, 6),
    read('a', 11, 12),
  ],
  'an unknown write has no effect': [write('a', 1, 2), write('b', 3, UNKNOWN), read('a', 4, 5)],
  'an unknown write has an effect late': [
    write('a', 1, 2),
    write('b', 3, UNKNOWN),
    read('a', 4, 5),
    write('c', 6, 7),
    read('c', 8, 9),
    read('b', 10, 11),
  ],
  'a value expires, sooner or later': [
    write('a', 1, 2),
    expiry('a', 5),
    read('a', 6, 7),
    read(null, 8, 9),
    write('b', 10, 11),
    read('b', 12, 13),
  ],
  'a value expires while it is replaced': [
    write('a', 1, 2),
    write('b', 3, 8),
    expiry('a', 4),
    read(null, 5, 6),
  ],
  'a write of unknown outcome expires': [
    write('a', 1, 2),
    write('b', 3, UNKNOWN),
    expiry('b', 4),
    read(null, 5, 6),
  ],
  'a read without an answer says nothing': [write('a', 1, 2), read('z', 3, UNKNOWN)],
  'an answer and a call at one time are concurrent': [write('a', 1, 2), read(null, 2, 3)],
  'keys do not know each other': [write('a', 1, 2, 'x'), read(null, 3, 4, 'y'), read('a', 3, 4, 'x')],
};

const BAD: Readonly<Record<string, RegisterOperation[]>> = {
  'a read before its write': [read('a', 1, 2), write('a', 3, 4)],
  'an acknowledged write is lost': [write('a', 1, 2), write('b', 3, 4), read('a', 5, 6)],
  'an acknowledged write was never there': [write('a', 1, 2), read(null, 3, 4)],
  'reads go back in time': [write('a', 1, 2), write('b', 3, UNKNOWN), read('b', 4, 5), read('a', 6, 7)],
  'reads go back in time while the write is under way': [
    write('a', 1, 2),
    write('b', 3, 20),
    read('b', 4, 5),
    read('a', 6, 7),
  ],
  'one write has its effect twice': [
    write('a', 1, 20),
    read('a', 2, 3),
    write('b', 4, 5),
    read('b', 6, 7),
    read('a', 8, 9),
  ],
  'a value that nobody wrote': [write('a', 1, 2), read('z', 3, 4)],
  'a deletion is undone': [write('a', 1, 2), write(null, 3, 4), read('a', 5, 6)],
  'a value expires before its time': [write('a', 1, 2), expiry('a', 5), read(null, 3, 4)],
  'another value expires': [write('a', 1, 2), expiry('a', 3), write('b', 4, 5), read(null, 6, 7)],
  'what has expired comes back': [write('a', 1, 2), expiry('a', 3), read(null, 4, 5), read('a', 6, 7)],
  'two readers see two writes in different orders': [
    write('a', 1, 4),
    write('b', 1, 4),
    read('a', 5, 6),
    read('b', 7, 8),
    read('a', 9, 10),
  ],
  'only one key of two is wrong': [write('a', 1, 2, 'x'), read('a', 3, 4, 'x'), read('a', 3, 4, 'y')],
};

for (const [name, history] of Object.entries(GOOD)) {
  test(`linearizable: ${name}`, () => assert.equal(linearizabilityFault(history), null));
}

for (const [name, history] of Object.entries(BAD)) {
  test(`not linearizable: ${name}`, () => {
    const fault = linearizabilityFault(history);
    assert.ok(fault !== null);
    assert.ok(fault.stuck.length > 0);
  });
}

test('a fault tells a person what was put in order, and what does not fit', () => {
  const fault = linearizabilityFault([
    write('a', 1, 2),
    write('b', 3, UNKNOWN),
    read('b', 4, 5),
    read('a', 6, 7),
  ]);
  assert.ok(fault !== null);
  assert.equal(
    describeFault(fault),
    [
      'Key k is not linearizable. 3 operations have an order, at last',
      '  write "a", 1 to 2',
      '  write "b", 3 to unknown',
      '  read "b", 4 to 5',
      'and none of these can follow:',
      '  read "a", 6 to 7',
    ].join('\n'),
  );
});

const operation = fc
  .record({
    kind: fc.constantFrom<'read' | 'write' | 'expiry'>('read', 'read', 'write', 'write', 'expiry'),
    value: fc.constantFrom('a', 'b', null),
    calledAt: fc.nat(12),
    tookFor: fc.oneof({ weight: 2, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.constant(UNKNOWN) }),
  })
  .map(({ kind, value, calledAt, tookFor }) => ({
    key: 'k',
    kind,
    value,
    calledAt,
    answeredAt: kind === 'expiry' ? UNKNOWN : calledAt + tookFor,
  }));

test('dozens of operations under way at once are judged at once, whether there is an order or not', () => {
  const deletions = Array.from({ length: 30 }, (_, i) => write(null, i, i % 2 === 0 ? UNKNOWN : 1_000 + i));
  const reads = Array.from({ length: 30 }, (_, i) =>
    read(i % 3 === 0 ? `v${i % 9}` : null, 40 + i, 2_000 - i),
  );
  const writes = [0, 3, 6].map((i) => write(`v${i}`, 80 + i, 1_500 - i));
  const history = [...deletions, ...reads, ...writes];
  assert.equal(linearizabilityFault(history), null);
  const neverWritten = read('v', 90, 3_000);
  assert.ok(linearizabilityFault([...history, neverWritten])?.stuck.includes(neverWritten));
});

test('dozens of values that may have expired are judged at once', () => {
  const history = [read(null, 0, 1)];
  for (let i = 1; i <= 40; i++) history.push(write(`v${i}`, 10 * i, 10 * i + 1), expiry(`v${i}`, 10 * i + 2));
  assert.equal(linearizabilityFault([...history, read(null, 1_000, 1_001)]), null);
  assert.ok(linearizabilityFault([...history, read('v1', 1_000, 1_001)]) !== null);
});

test('it says the same as trying every order', () => {
  let good = 0;
  let bad = 0;
  const runs = fc.property(fc.array(operation, { maxLength: 6 }), (history) => {
    const expected = hasAnOrder(history, null);
    if (expected) good++;
    else bad++;
    assert.equal(linearizabilityFault(history) === null, expected);
  });
  fc.assert(runs, { numRuns: 3000 });
  assert.ok(good > 100 && bad > 100, `${good} good and ${bad} bad histories`);
});

test('a thousand operations of many clients, with unknown outcomes, are judged at once', () => {
  const history: RegisterOperation[] = [];
  let value: string | null = null;
  for (let i = 0; i < 1_000; i++) {
    // Each takes effect at 10 i + 5, and lasts for some of its neighbours.
    const calledAt = 10 * i - (i % 3) * 10;
    const answeredAt = 10 * i + 6 + (i % 4) * 10;
    if (i % 2 === 0) {
      value = `v${i}`;
      history.push(write(value, calledAt, i % 20 === 0 ? UNKNOWN : answeredAt));
    } else history.push(read(value, calledAt, answeredAt));
  }
  assert.equal(linearizabilityFault(history), null);
  assert.ok(linearizabilityFault([...history, read('v2', 20_000, 20_001)]) !== null);
});

/** In plain terms: tries each operation that no unplaced one precedes as the next. */
function hasAnOrder(unplaced: readonly RegisterOperation[], value: string | null): boolean {
  if (unplaced.every(({ answeredAt }) => answeredAt === UNKNOWN)) return true;
  const firstAnswer = Math.min(...unplaced.map(({ answeredAt }) => answeredAt));
  return unplaced.some((next, i) => {
    if (next.calledAt > firstAnswer) return false;
    if (next.kind === 'read' && next.value !== value && next.answeredAt !== UNKNOWN) return false;
    if (next.kind === 'expiry' && next.value !== value) return false;
    const left = next.kind === 'expiry' ? null : next.value;
    return hasAnOrder(unplaced.toSpliced(i, 1), next.kind === 'read' ? value : left);
  });
}
