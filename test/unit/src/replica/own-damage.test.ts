/**
 * Damage of the disk in the place of the node's own records: each of those who read them loses what lies there and
 * nothing else, and what is damaged heals without an operator.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type RecordStore, SLOT_COUNT } from '../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { PromiseKeeper } from '../../../../src/replica/anti-entropy/promise-keeper.ts';
import { PromiseRestoring } from '../../../../src/replica/anti-entropy/promise-restoring.ts';
import { Judgement, SlotPromises } from '../../../../src/replica/anti-entropy/slot-promises.ts';
import { Bootstrap } from '../../../../src/replica/bootstrap/bootstrap.ts';
import { encodeBulkPage } from '../../../../src/replica/bootstrap/bulk-page-codec.ts';
import { HintLog } from '../../../../src/replica/hints/hint-log.ts';
import { MAX_OWN_VALUE_BYTES, OwnPart, OwnRecords } from '../../../../src/replica/own-records.ts';
import { SlotOwners } from '../../../../src/replica/slot-owners.ts';
import { found } from '../../../../src/reply.ts';
import { blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const NEVER = new AbortController().signal;
const GROUP_SLOTS = 256;
const BASIS = ['folder'];

let simulation: EngineSimulation;
let store: RecordStore;
let own: OwnRecords;
const warnings: string[] = [];
const log = {
  info: () => undefined,
  warn: (message: string) => void warnings.push(message),
  error: (message: string) => void warnings.push(message),
};

beforeEach(() => {
  simulation = new EngineSimulation({ ...TINY_OPTIONS, maxRecordBytes: 32 * 1024, blockCacheBytes: 0 });
  warnings.length = 0;
  open();
});

function open(): void {
  store = simulation.openStore();
  own = new OwnRecords(store);
}

function settle<T>(promise: Promise<T>): Promise<T> {
  return simulation.settle(promise);
}

async function rest(): Promise<void> {
  await settle(store.maintenanceIdle());
  await simulation.pass(50);
}

/** Changes a bit of every data block that has a record whose name begins so; the engine is started again. */
async function damage(part: OwnPart, name = ''): Promise<number> {
  await settle(store.compact());
  await settle(store.close());
  const wanted = Buffer.concat([Buffer.of(0xff, part), Buffer.from(name, 'latin1')]).toString('latin1');
  let broken = 0;
  for (const file of simulation.fs.listSync('/db').filter((one) => one.endsWith('.sst'))) {
    for (const { keys, offset, path } of blocksOfTable(simulation.fs, `/db/${file}`)) {
      if (!keys.some((key) => key.startsWith(wanted))) continue;
      flipBit(simulation.fs, path, offset + 3);
      broken++;
    }
  }
  open();
  return broken;
}

async function storedNames(part: OwnPart): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of own.scan(part)) names.push(Buffer.from(name).toString('latin1'));
  return names;
}

/** Every damaged table goes once the rest of its records is elsewhere. */
async function assertHealed(): Promise<void> {
  await rest();
  store.purge();
  await rest();
  await rest();
  const { lostRecords, tables } = store.stats().damage;
  assert.deepEqual([tables, lostRecords], [0, 0]);
  assert.deepEqual(store.stats().conditions, []);
}

describe('own records in a damaged block', () => {
  it('are left out of a scan, which has all others and says that some are missing', async () => {
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names)
      await settle(own.put(OwnPart.hints, Buffer.from(name), Buffer.alloc(MAX_OWN_VALUE_BYTES, name)));
    assert.equal(await damage(OwnPart.hints, 'b'), 1);
    const unreadable: Error[] = [];
    const scanned: string[] = [];
    const scan = own.scan(OwnPart.hints, undefined, NEVER, (error) => void unreadable.push(error));
    await settle(
      (async () => {
        for await (const { name, value } of scan) {
          assert.deepEqual(Buffer.from(value), Buffer.alloc(MAX_OWN_VALUE_BYTES, name));
          scanned.push(Buffer.from(name).toString());
        }
      })(),
    );
    assert.deepEqual(scanned, ['a', 'c', 'd']);
    assert.ok(unreadable.length > 0);
    await rest();
    // Set aside, the table's block is passed over as well.
    assert.deepEqual(await settle(storedNames(OwnPart.hints)), ['a', 'c', 'd']);
    await settle(store.close());
  });

  it('hold no damaged table once nobody waits for them, and not before', async () => {
    for (const name of ['a', 'b']) await settle(own.put(OwnPart.hints, Buffer.from(name), Buffer.from(name)));
    await damage(OwnPart.hints);
    await assert.rejects(settle(own.get(OwnPart.hints, Buffer.from('a'))));
    await rest();
    assert.equal(store.stats().damage.lostRecords, 2);
    store.giveUpPrivate();
    await assertHealed();
    assert.equal(await settle(own.get(OwnPart.hints, Buffer.from('a'))), null);
    await settle(store.close());
  });
});

describe('promises in a damaged block', () => {
  let promises: SlotPromises;
  let keeper: PromiseKeeper;
  let restoring: PromiseRestoring;
  let latest = 0;

  async function load(): Promise<void> {
    promises = new SlotPromises(new Float64Array(SLOT_COUNT));
    keeper = new PromiseKeeper(own, store, promises, BASIS);
    restoring = new PromiseRestoring({
      keeper,
      engine: store,
      latestPromise: () => latest,
      clock: simulation.clock,
      log,
      signal: NEVER,
    });
    await settle(restoring.load(true));
  }

  async function promiseAll(): Promise<void> {
    await load();
    const all = Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
    await settle(keeper.bar(all, 100));
    await settle(keeper.settle(all, 100));
  }

  beforeEach(() => {
    latest = 0;
  });

  it('cost no start: their slots take no write until the time is known, and are barred then for good', async () => {
    await promiseAll();
    assert.ok((await damage(OwnPart.watermarks, '\x05')) > 0);
    await load();
    const lost = 5 * GROUP_SLOTS;
    assert.ok(restoring.groupsLost > 0 && restoring.groupsLost < 20, `${restoring.groupsLost} groups`);
    assert.equal(warnings.length, 1);
    assert.equal(promises.settledAt(lost), 0);
    assert.equal(promises.judge(lost, 1e15), Judgement.barred);
    assert.equal(promises.settledAt(200 * GROUP_SLOTS), 100, 'other groups are as they were');
    assert.equal(promises.judge(200 * GROUP_SLOTS, 101), Judgement.take);
    await assert.rejects(settle(restoring.look()), /time is not known/);
    await assert.rejects(settle(keeper.bar(Uint16Array.of(lost), 200)), { code: 'STORAGE' });
    latest = 5000;
    await simulation.pass(100);
    assert.equal(promises.judge(lost, 5000), Judgement.barred);
    assert.equal(promises.judge(lost, 5001), Judgement.take);
    assert.equal(promises.highest, 5000, 'later writes need not be judged');
    await settle(restoring.look());
    await assertHealed();
    await settle(store.close());
    open();
    await load();
    assert.equal(restoring.groupsLost, 0);
    assert.equal(promises.barredAt(lost), 5000);
    await settle(store.close());
  });

  it('are written again from memory where the damage is found later', async () => {
    await promiseAll();
    await settle(store.compact());
    const [file] = simulation.fs.listSync('/db').filter((one) => one.endsWith('.sst'));
    const [block] = blocksOfTable(simulation.fs, `/db/${file}`);
    flipBit(simulation.fs, block.path, block.offset + 3);
    const group = block.keys[0].charCodeAt(2);
    await assert.rejects(settle(own.get(OwnPart.watermarks, Uint8Array.of(group))));
    await rest();
    assert.ok(store.stats().damage.lostRecords > 0);
    await settle(restoring.look());
    await assertHealed();
    assert.equal(promises.settledAt(group * GROUP_SLOTS), 100);
    await settle(store.close());
    open();
    await load();
    assert.equal(promises.settledAt(group * GROUP_SLOTS), 100);
    await settle(store.close());
  });
});

describe('what the disk loses while promises are written again', () => {
  it('is not given up before it was looked for', async () => {
    const done: string[] = [];
    const engine = { losses: 1, giveUpPrivate: () => void done.push('given up') };
    const keeper = {
      hasUnknown: false,
      load: () => Promise.resolve(0),
      barUnknown: () => Promise.resolve(),
      restore: async () => {
        done.push('written again');
        if (done.length === 1) engine.losses++;
      },
    };
    const restoring = new PromiseRestoring({
      keeper,
      engine,
      latestPromise: () => 0,
      clock: simulation.clock,
      log,
      signal: NEVER,
    });
    await restoring.look();
    assert.deepEqual(done, ['written again']);
    await restoring.look();
    assert.deepEqual(done, ['written again', 'written again', 'given up']);
    await restoring.look();
    assert.equal(done.length, 3);
    await settle(store.close());
  });
});

describe('hints in a damaged block', () => {
  function hintsOf(): HintLog {
    const { clock } = simulation;
    const bounds = { maxBytes: 1 << 20, maxAgeMs: 3_600_000 };
    return new HintLog({ records: own, clock, nowMs: () => clock.nowMs(), ...bounds, log });
  }

  it('are lost, and all others are delivered after a start', async () => {
    const hints = hintsOf();
    for (const nodeId of ['b', 'c', 'd']) {
      for (let i = 0; i < 20; i++) hints.add(nodeId, Buffer.from(`key${i}`.padEnd(200, '.')));
      await settle(hints.stored(nodeId));
    }
    await settle(hints.close());
    assert.equal(await damage(OwnPart.hints, 'c'), 1);
    const later = hintsOf();
    await settle(later.load());
    assert.deepEqual(
      Array.from(later.queues, ({ nodeId }) => nodeId),
      ['b', 'd'],
    );
    assert.match(warnings.join(), /Hints are lost/);
    store.giveUpPrivate();
    await rest();
    store.giveUpPrivate();
    await assertHealed();
    await settle(store.close());
  });

  it('are noted again when the disk has lost their page for good', async () => {
    const hints = hintsOf();
    const key = Buffer.from('key');
    hints.add('b', key);
    await settle(hints.stored('b'));
    const [queue] = hints.queues;
    const page = queue.first;
    assert.ok(page !== undefined);
    for (const name of await settle(storedNames(OwnPart.hints)))
      await settle(own.delete(OwnPart.hints, Buffer.from(name, 'latin1')));
    assert.equal(await settle(hints.begin(queue, page)), null);
    assert.deepEqual([hints.lost, queue.has(key)], [1, false]);
    await settle(hints.close());
    await settle(store.close());
  });
});

describe('the progress of a refill in a damaged block', () => {
  const incarnation = '0123456789abcdef0123456789abcdef';
  const everySlot = { lists: Uint16Array.of(0, 1), maxFrom: 2, listOffset: () => 0 };
  const owners = () => new SlotOwners(['a', 'b'], everySlot);

  /** A refill from one source that has nothing, until it is proved; `asked` are its pages. */
  function refill() {
    const lack = { isWhole: false, filled: new Set<number>() };
    const asked: string[] = [];
    const wholeness = {
      whole: 'incomplete' as const,
      lack: 7,
      isLackDurable: true,
      onLack: () => undefined,
      filled: {
        get count() {
          return lack.filled.size;
        },
        get bytes() {
          return new Uint8Array(SLOT_COUNT / 8).fill(lack.filled.size === SLOT_COUNT ? 0xff : 0);
        },
      },
      isSlotWhole: (slot: number) => lack.filled.has(slot),
      slotFilled: (slot: number) => void lack.filled.add(slot),
      allFilled: () => {
        lack.isWhole = true;
      },
    };
    return { lack, asked, wholeness };
  }

  function bootstrapOf(parts: ReturnType<typeof refill>): Bootstrap {
    const { clock } = simulation;
    const bootstrap = new Bootstrap(
      {
        nodeId: 'a',
        incarnation,
        wholeness: parts.wholeness as never,
        owners,
        peers: {
          ids: ['b'],
          isUp: () => true,
          bulkPage: (id, _request, _timeoutMs, sink) => {
            parts.asked.push(id);
            const page = { end: { kind: 'end' }, sourceBytes: 0, entries: new Uint8Array(0) } as const;
            sink.onReply(0, found(encodeBulkPage(page)));
          },
        },
        writer: { write: () => Promise.resolve() },
        records: own,
        pace: { rest: () => Promise.resolve() },
        spanBytes: 1000,
        maxKeyBytes: 100,
        freshFrom: () => Number.POSITIVE_INFINITY,
        rounds: {
          requestRounds: () => {
            const slots = Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
            bootstrap.onSettled(slots, 100);
          },
          msUntilSettleable: () => 0,
        },
        latestAcknowledged: () => 50,
        clock,
        random: seededRandom(1),
        log,
      },
      { sentBytes: 0 },
    );
    return bootstrap;
  }

  it('is made again, and the refill ends', async () => {
    // What a kill in the middle leaves.
    for (const name of ['filled', 'plan', 'share/b'])
      await settle(own.put(OwnPart.bootstrap, Buffer.from(name), Buffer.alloc(3000, 1)));
    assert.ok((await damage(OwnPart.bootstrap)) > 0);
    const parts = refill();
    const bootstrap = bootstrapOf(parts);
    bootstrap.start();
    for (let i = 0; i < 200 && !parts.lack.isWhole; i++) await simulation.pass(100);
    assert.ok(parts.lack.isWhole, warnings.join('\n'));
    for (let i = 0; i < 20; i++) await simulation.pass(100);
    assert.equal(bootstrap.isCopying, false, 'it does not begin again');
    assert.deepEqual(await settle(storedNames(OwnPart.bootstrap)), []);
    await settle(bootstrap.close());
    await settle(store.close());
  });
});
