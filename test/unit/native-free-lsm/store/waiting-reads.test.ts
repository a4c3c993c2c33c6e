import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LsmError, RecordStore } from '../../../../native-free-lsm/index.ts';
import { ENGINE_WAITS } from '../../../../native-free-lsm/shared/main-waits.ts';
import { type WaitingRead, WaitingReads } from '../../../../native-free-lsm/store/waiting-reads.ts';
import type { RoleHandle } from '../../../../native-free-lsm/threads/executor.ts';
import { readResult, record, writeRecordTo } from '../../../support/engine-calls.ts';
import type { EngineSimulation } from '../../../support/engine-simulation.ts';
import { mortal } from '../../../support/mortal-executor.ts';
import { pageEntries } from '../../../support/page-entries.ts';

const KEYS = 50;
/** More than places and rings of readers take. */
const MANY = 20_000;
const PAGE = {
  start: new Uint8Array(0),
  end: null,
  maxBytes: 1 << 20,
  maxEntries: 10,
  includeTombstones: true,
  encoder: 0,
  nowMs: 0,
};

function key(i: number): Buffer {
  return Buffer.from(`key${String(i % KEYS).padStart(4, '0')}`);
}

function expected(i: number): Uint8Array {
  return record((i % KEYS) + 1, `value ${i % KEYS}`);
}

/** A store whose gets all need the disk. */
async function filled(simulation: EngineSimulation, options = {}): Promise<RecordStore> {
  const store = simulation.openStore({ blockCacheBytes: 0, ...options });
  for (let i = 0; i < KEYS; i++) await simulation.settle(writeRecordTo(store, key(i), expected(i)));
  await simulation.settle(store.flush());
  return store;
}

test('reads for which there is no place wait, are answered in order, and end with their own records', async () => {
  const { simulation } = mortal();
  const store = await filled(simulation);
  const order: number[] = [];
  const answered = Promise.withResolvers<void>();
  const onRead = (token: number, found: Uint8Array | null, error: Error | null): void => {
    assert.equal(error, null);
    assert.deepEqual(found, expected(token));
    order.push(token);
    // Reads from within an answer wait behind those that wait.
    if (token === 0) store.read(key(MANY), { onRead }, MANY);
    if (order.length === MANY + 1) answered.resolve();
  };
  for (let i = 0; i < MANY; i++) store.read(key(i), { onRead }, i);
  assert.equal(store.stats().readsInFlight, MANY);
  await simulation.settle(answered.promise);
  // What memory has answered meanwhile came before its turn; every read was answered once.
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    Array.from({ length: MANY + 1 }, (_, i) => i),
  );
  assert.equal(order.at(-1), MANY);
  assert.equal(store.stats().readsInFlight, 0);
  await simulation.settle(store.close());
});

test('what memory can answer does not wait', async () => {
  const { simulation } = mortal();
  const store = await filled(simulation);
  const reads = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  await simulation.settle(writeRecordTo(store, Buffer.from('new'), record(1000, 'new')));
  const found: (Uint8Array | null)[] = [];
  const more = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  store.read(Buffer.from('new'), { onRead: (_token, answer) => void found.push(answer) }, 0);
  assert.deepEqual(found, [record(1000, 'new')]);
  await simulation.settle(Promise.all([...reads, ...more]));
  await simulation.settle(store.close());
});

test('beyond the bound in bytes reads and pages fail at once, and later ones are taken again', async () => {
  const { simulation } = mortal();
  const store = await filled(simulation, { maxQueuedReadBytes: 10_000 });
  const reads = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  await assert.rejects(store.rangePage(PAGE), { code: 'OVERLOADED', canRetry: true });
  const results = await simulation.settle(Promise.all(reads));
  const refused = results.filter(({ error }) => error !== null);
  assert.ok(refused.length > 0);
  for (const { error } of refused) assert.equal((error as LsmError).code, 'OVERLOADED');
  // Those that came first are the ones that were taken.
  const first = results.findIndex(({ error }) => error !== null);
  assert.ok(results.slice(first).every(({ error }) => error !== null));
  assert.equal((await simulation.settle(readResult(store, key(1)))).error, null);
  assert.equal(pageEntries(await simulation.settle(store.rangePage(PAGE))).length, 10);
  await simulation.settle(store.close());
});

test('a snapshot that is released while its reads wait is kept for them', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const before = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  const snapshot = store.snapshot();
  const held = Array.from({ length: 200 }, (_, i) => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array | null>();
    store.readAt(snapshot, key(i), { onRead: (_token, found) => resolve(found) }, i);
    return promise;
  });
  const page = store.rangePage(PAGE, snapshot);
  snapshot.release();
  executor().rolesHeld = false;
  executor().kick();
  // Overwritten, and what it overwrote compacted away, while the reads before are answered bit by bit.
  const written = Promise.all(
    Array.from({ length: KEYS }, (_, i) => writeRecordTo(store, key(i), record(5000 + i, 'other'))),
  );
  const compacted = written.then(() => store.compact());
  const found = await simulation.settle(Promise.all(held));
  found.forEach((value, i) => {
    assert.deepEqual(value, expected(i));
  });
  const entries = pageEntries(await simulation.settle(page));
  assert.deepEqual(
    entries.map(([, found]) => found),
    Array.from({ length: 10 }, (_, i) => expected(i)),
  );
  await simulation.settle(Promise.all(before));
  await simulation.settle(compacted);
  await simulation.settle(store.close());
  // Nothing was pinned for good: the tables from before are gone.
  assert.equal(simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst')).length, 1);
});

test('reads that wait go on when the reader thread has died, and are told when the store closes', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const reads = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  await simulation.pass(1);
  executor().rolesHeld = false;
  executor().kill(executor().readers.at(-1) as RoleHandle);
  executor().kick();
  const results = await simulation.settle(Promise.all(reads));
  results.forEach(({ record: found, error }, i) => {
    assert.equal(error, null);
    assert.deepEqual(found, expected(i));
  });
  executor().rolesHeld = true;
  const late = Array.from({ length: MANY }, (_, i) => readResult(store, key(i)));
  const page = store.rangePage(PAGE);
  page.catch(() => undefined);
  const closed = store.close();
  executor().rolesHeld = false;
  executor().kick();
  await simulation.settle(closed);
  const told = (await Promise.all(late)).filter(({ error }) => error !== null);
  // The block that the cache has answers some of them at once.
  assert.ok(told.length > MANY / 2, `${told.length} were told`);
  for (const { error } of told) assert.equal((error as LsmError).code, 'CLOSED');
  await assert.rejects(page, { code: 'CLOSED' });
});

test('a page whose signal is aborted rejects at once, and its place and memory are used again', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const reason = new Error('enough');
  const controllers = Array.from({ length: 3 }, () => new AbortController());
  const pages = controllers.map(({ signal }) => store.rangePage(PAGE, undefined, signal));
  const kept = store.rangePage(PAGE, undefined, new AbortController().signal);
  for (const controller of controllers) controller.abort(reason);
  // The reader has not begun.
  for (const page of pages) await assert.rejects(page, reason);
  assert.equal(store.stats().readsInFlight, 4);
  await assert.rejects(store.rangePage(PAGE, undefined, AbortSignal.abort(reason)), reason);
  assert.equal(store.stats().readsInFlight, 4);
  executor().rolesHeld = false;
  executor().kick();
  assert.equal(pageEntries(await simulation.settle(kept)).length, 10);
  await simulation.pass(2);
  assert.equal(store.stats().readsInFlight, 0);
  await simulation.settle(store.close());
});

test('the queue gives back the bytes of what has gone, and keeps its order through many turns', () => {
  const sink = { onRead: () => undefined };
  const queue = new WaitingReads(3000);
  let added = 0;
  let removed = 0;
  const fill = (): void => {
    for (;;) {
      const read = {
        key: Buffer.alloc(added % 7),
        snapshot: null,
        sink,
        token: added,
        page: null,
        deaths: 0,
      };
      if (!queue.add(read)) return;
      added++;
    }
  };
  for (let turn = 0; turn < 100; turn++) {
    fill();
    assert.equal(queue.count, added - removed);
    for (let i = 0; i < 1 + (turn % 5); i++) {
      const first = queue.takeFirst();
      assert.equal(first?.token, removed);
      // As one for which there is no place yet.
      if (turn % 3 === 0) {
        queue.putBack(first as WaitingRead);
        assert.equal(queue.count, added - removed);
        assert.equal(queue.takeFirst(), first);
      }
      removed++;
    }
  }
  assert.ok(queue.count >= 6 && queue.count <= 11);
  fill();
  assert.deepEqual(
    queue.takeAll().map(({ token }) => token),
    Array.from({ length: added - removed }, (_, i) => removed + i),
  );
  assert.equal(queue.takeFirst(), undefined);
});

test('a read that is taken and put back again and again has waited once', () => {
  const place = ENGINE_WAITS.reads;
  const queue = new WaitingReads(3000);
  const sink = { onRead: () => undefined };
  const read = (token: number) => ({
    key: Buffer.alloc(1),
    snapshot: null,
    sink,
    token,
    page: null,
    deaths: 0,
  });
  place.record();
  queue.add(read(0));
  for (let turn = 0; turn < 3; turn++) queue.putBack(queue.takeFirst() as WaitingRead);
  assert.equal(queue.takeFirst()?.token, 0);
  // Its sink reads again, for which there is no place either.
  queue.add(read(1));
  assert.equal(queue.takeFirst()?.token, 1);
  assert.equal(queue.takeFirst(), undefined);
  // Nothing waits: it is no wait that is over.
  assert.equal(queue.takeFirst(), undefined);
  queue.add(read(2));
  queue.takeAll();
  queue.takeAll();
  queue.add(read(3));
  const { buckets, count, totalMs } = place.take();
  assert.equal(count, 3);
  assert.equal(
    buckets.reduce((sum, waits) => sum + waits, 0),
    count,
  );
  assert.ok(totalMs >= 0 && totalMs < 1000, `${totalMs}`);
});
