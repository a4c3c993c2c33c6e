import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecord,
  LsmError,
  type RecordStore,
  SLOT_COUNT,
  slotOf,
} from '../../../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../../../native-free-lsm/simulation/index.ts';
import type {
  BackgroundJob,
  BackgroundResult,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = 600;
const VALUE = Buffer.alloc(100, 'v');
const NOTHING = Buffer.alloc(0);

function keyOf(index: number): Buffer {
  return Buffer.from(`key${index}`);
}

function put(
  store: RecordStore,
  index: number,
  timestamp: number,
  value: Buffer | null,
  from = 3,
): Promise<void> {
  const fields = { timestamp, writer: 7, tombstone: value === null, from, expiryMs: 0 };
  return new Promise((resolve, reject) =>
    store.write(
      keyOf(index),
      encodeRecord(fields, value ?? NOTHING),
      {
        onWrite: (_token, _status, _timestamp, _writer, error) =>
          error === null ? resolve() : reject(error),
      },
      0,
    ),
  );
}

function get(store: RecordStore, index: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) =>
    store.read(
      keyOf(index),
      { onRead: (_token, record, error) => (error === null ? resolve(record) : reject(error)) },
      0,
    ),
  );
}

/** Values at timestamps 1 to KEYS, deleted in the next KEYS. */
async function writeAndDelete(simulation: EngineSimulation, store: RecordStore): Promise<void> {
  for (let index = 0; index < KEYS; index++) await simulation.settle(put(store, index, index + 1, VALUE));
  for (let index = 0; index < KEYS; index++)
    await simulation.settle(put(store, index, KEYS + index + 1, null));
}

async function lookAtAll(simulation: EngineSimulation, store: RecordStore): Promise<Uint32Array> {
  const slots = Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  return simulation.settle(store.slotDigests(slots, new Uint8Array(SLOT_COUNT).fill(1)));
}

test('what is settled to be gone leaves the disk, out of the memtable too, and nothing comes back', async () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, watermarks });
  const store = simulation.openStore();
  await writeAndDelete(simulation, store);
  await simulation.settle(store.flush());
  await simulation.settle(store.maintenanceIdle());
  const full = store.stats().diskBytes;
  // The last ones are in the memtable alone.
  for (let index = 0; index < 30; index++) await simulation.settle(put(store, index, 3 * KEYS + index, null));
  new Float64Array(watermarks).fill(4 * KEYS);
  const digests = await lookAtAll(simulation, store);
  assert.ok(digests.every((word) => word === 0));
  store.purge();
  await simulation.pass(1_000);
  await simulation.settle(store.maintenanceIdle());
  assert.equal(store.stats().estimatedKeys, 0);
  assert.ok(store.stats().diskBytes * 20 < full, `${store.stats().diskBytes} of ${full} bytes are left`);
  for (let index = 0; index < KEYS; index++)
    assert.equal(await simulation.settle(get(store, index)), null, `key${index}`);
  await simulation.settle(store.close());
});

test('a deletion above the watermark of its slot stays, and hides what it hides', async () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, watermarks });
  const store = simulation.openStore();
  await writeAndDelete(simulation, store);
  await simulation.settle(store.compact());
  const isSettled = (index: number): boolean => index % 2 === 0;
  const timestamps = new Float64Array(watermarks);
  for (let index = 0; index < KEYS; index++)
    if (isSettled(index)) timestamps[slotOf(keyOf(index))] = 4 * KEYS;
  const isKept = (index: number): boolean => timestamps[slotOf(keyOf(index))] === 0;
  await lookAtAll(simulation, store);
  store.purge();
  await simulation.pass(1_000);
  await simulation.settle(store.maintenanceIdle());
  for (let index = 0; index < KEYS; index++) {
    const record = await simulation.settle(get(store, index));
    assert.equal(record !== null, isKept(index), `key${index}`);
  }
  await simulation.settle(store.close());
});

test('a purge that fails is done again without being asked for again', async () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  let failures = 0;
  class FullDisk extends InlineExecutor {
    override runBackground(given: BackgroundJob): Promise<BackgroundResult> {
      if (failures === 0) return super.runBackground(given);
      failures--;
      return Promise.reject(new LsmError('NO_SPACE', 'the disk is full'));
    }
  }
  const simulation = new EngineSimulation(
    { ...TINY_OPTIONS, watermarks },
    undefined,
    (context) => new FullDisk(context),
  );
  const store = simulation.openStore();
  await writeAndDelete(simulation, store);
  await simulation.settle(store.compact());
  new Float64Array(watermarks).fill(4 * KEYS);
  const full = store.stats().diskBytes;
  failures = 1;
  store.purge();
  await simulation.pass(60_000);
  assert.equal(failures, 0);
  await simulation.settle(store.maintenanceIdle());
  assert.ok(store.stats().diskBytes * 5 < full, `${store.stats().diskBytes} of ${full} bytes are left`);
  await simulation.settle(store.close());
});

test('nothing is rewritten again and again when all that could go has gone', async () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, watermarks });
  const store = simulation.openStore();
  await writeAndDelete(simulation, store);
  await simulation.settle(store.compact());
  // Below every deletion.
  new Float64Array(watermarks).fill(1);
  await lookAtAll(simulation, store);
  const before = store.stats().compactions;
  for (let times = 0; times < 3; times++) {
    store.purge();
    await simulation.pass(1_000);
  }
  assert.equal(store.stats().compactions, before);
  await simulation.settle(store.close());
});

test('a value counts in the digest of its slot until it has gone from disk, and no longer', async () => {
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * 8);
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, watermarks });
  const store = simulation.openStore();
  const key = keyOf(0);
  const slots = Uint16Array.of(slotOf(key));
  const digest = async (): Promise<string> =>
    String(await simulation.settle(store.slotDigests(slots, Uint8Array.of(1))));
  const expiryMs = simulation.clock.nowMs() + 60_000;
  const record = encodeRecord({ timestamp: 100, writer: 7, tombstone: false, from: 3, expiryMs }, VALUE);
  const written = Promise.withResolvers<void>();
  store.write(key, record, { onWrite: () => written.resolve() }, 0);
  await simulation.settle(written.promise);
  await simulation.settle(put(store, 5, 101, VALUE));
  await simulation.settle(store.compact());
  const living = await digest();
  new Float64Array(watermarks).fill(1_000);
  // It lives: an owner which alone has it still must hear of its deletion.
  assert.notEqual(living, '0,0');
  assert.equal(await digest(), living);
  await simulation.pass(61_000);
  assert.equal(await digest(), living, 'nothing has been written anew');
  // Amid the keys of the first table, so that it is merged.
  await simulation.settle(put(store, 3, 200, VALUE));
  await simulation.settle(store.compact());
  assert.equal(await digest(), '0,0');
  await simulation.settle(store.close());
});

test('deletions in tables without slot versions go as well, when a node opens a folder that it has not written', async () => {
  const alone = new EngineSimulation({ ...TINY_OPTIONS, fingerprintSeed: null });
  const written = alone.openStore();
  await writeAndDelete(alone, written);
  await alone.settle(written.compact());
  await alone.settle(written.close());
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, watermarks }, alone.fs);
  const store = simulation.openStore();
  await simulation.settle(store.maintenanceIdle());
  const before = store.stats().diskBytes;
  // Nothing that is there may go.
  new Float64Array(watermarks).fill(KEYS);
  store.purge();
  await simulation.settle(store.maintenanceIdle());
  assert.ok(store.stats().diskBytes >= before);
  new Float64Array(watermarks).fill(2 * KEYS);
  store.purge();
  await simulation.settle(store.maintenanceIdle());
  assert.deepEqual(
    store.stats().tablesByLevel.filter((tables) => tables > 0),
    [],
  );
  for (let index = 0; index < KEYS; index += 50)
    assert.equal(await simulation.settle(get(store, index)), null);
  await simulation.settle(store.close());
});
