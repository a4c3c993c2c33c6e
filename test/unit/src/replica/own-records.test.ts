import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MapEngine } from '../../../../bench/cluster/map-engine.ts';
import { encodeRecord, recordFrom, timestampAt } from '../../../../native-free-lsm/index.ts';
import { QuorateError } from '../../../../src/errors.ts';
import { MAX_OWN_VALUE_BYTES, OwnPart, OwnRecords } from '../../../../src/replica/own-records.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const { bootstrap, hints, watermarks } = OwnPart;

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

async function textOf(own: OwnRecords, part: OwnPart, name: string): Promise<string | null> {
  const value = await own.get(part, bytes(name));
  return value === null ? null : Buffer.from(value).toString('latin1');
}

async function scanned(own: OwnRecords, part: OwnPart, prefix = ''): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, value } of own.scan(part, bytes(prefix))) {
    found.push(`${Buffer.from(name).toString('latin1')}=${Buffer.from(value).toString('latin1')}`);
  }
  return found;
}

describe("the node's own records", () => {
  let engine: MapEngine;
  let own: OwnRecords;
  beforeEach(() => {
    engine = new MapEngine();
    own = new OwnRecords(engine);
  });

  it('are put, replaced, found and deleted, each part for itself', async () => {
    assert.equal(await own.get(hints, bytes('a')), null);
    await own.put(hints, bytes('a'), bytes('1'));
    await own.put(watermarks, bytes('a'), bytes('2'));
    await own.put(hints, bytes('a'), bytes('3'));
    assert.equal(await textOf(own, hints, 'a'), '3');
    assert.equal(await textOf(own, watermarks, 'a'), '2');
    assert.equal(await own.get(bootstrap, bytes('a')), null);
    await own.delete(hints, bytes('a'));
    assert.equal(await own.get(hints, bytes('a')), null);
    assert.equal(await textOf(own, watermarks, 'a'), '2');
    await own.put(hints, bytes('a'), bytes('4'));
    assert.equal(await textOf(own, hints, 'a'), '4');
  });

  it('are scanned by prefix, in order, without those that are deleted', async () => {
    for (const name of ['b\xff', 'b', 'b\xff\xff', 'c', 'a', 'bb', ''])
      await own.put(hints, bytes(name), bytes(name));
    await own.put(watermarks, bytes('b'), bytes('other part'));
    await own.delete(hints, bytes('bb'));
    assert.deepEqual(await scanned(own, hints, 'b'), ['b=b', 'b\xff=b\xff', 'b\xff\xff=b\xff\xff']);
    assert.deepEqual(await scanned(own, hints, 'b\xff'), ['b\xff=b\xff', 'b\xff\xff=b\xff\xff']);
    assert.equal((await scanned(own, hints)).length, 6);
    assert.deepEqual(await scanned(own, bootstrap), []);
  });

  it('are scanned over many pages, up to an abort', async () => {
    const value = Buffer.alloc(MAX_OWN_VALUE_BYTES, 7);
    for (let i = 10; i < 40; i++) await own.put(hints, bytes(`${i}`), value);
    const names: string[] = [];
    for await (const record of own.scan(hints)) {
      assert.deepEqual(record.value, Uint8Array.from(value));
      names.push(String(Buffer.from(record.name)));
    }
    assert.deepEqual(
      names,
      Array.from({ length: 30 }, (_, i) => `${i + 10}`),
    );
    const abort = new AbortController();
    let seen = 0;
    await assert.rejects(
      async () => {
        for await (const _ of own.scan(hints, bytes(''), abort.signal)) if (++seen === 2) abort.abort();
      },
      { name: 'AbortError' },
    );
    assert.equal(seen, 2);
  });

  it('take no value that may not fit', async () => {
    await assert.rejects(own.put(hints, bytes('a'), Buffer.alloc(MAX_OWN_VALUE_BYTES + 1)), /may have 16384/);
  });

  it('say what keeps the engine from them', async () => {
    await engine.close();
    const isError = (error: unknown): boolean => error instanceof QuorateError && error.code === 'DRAINING';
    await assert.rejects(own.get(hints, bytes('a')), isError);
    await assert.rejects(own.put(hints, bytes('a'), bytes('b')), isError);
    await assert.rejects(scanned(own, hints), isError);
  });

  it('are copies of nothing', async () => {
    await own.put(hints, bytes('a'), bytes('b'));
    const key = bytes('\xff\x68a');
    const read = await new Promise<Uint8Array | null>((resolve) =>
      engine.read(key, { onRead: (_token, record) => resolve(record) }, 0),
    );
    assert.ok(read !== null);
    assert.equal(recordFrom(read, 0), 0);
  });
});

describe('versions of own records', () => {
  it('rise over restarts and kills, whatever the clock says, and stay with those of clients', async () => {
    let simulation = new EngineSimulation();
    const clients = timestampAt(Date.UTC(2025, 0, 1));
    for (let start = 0; start < 4; start++) {
      const store = simulation.openStore();
      const own = new OwnRecords(store);
      for (let i = 0; i < 3; i++) {
        await simulation.settle(own.put(hints, bytes('a'), bytes(`${start}.${i}`)));
        await simulation.settle(own.put(hints, bytes('gone'), bytes('x')));
        await simulation.settle(own.delete(hints, bytes('gone')));
      }
      assert.equal(await simulation.settle(textOf(own, hints, 'a')), `${start}.2`);
      assert.equal(await simulation.settle(own.get(hints, bytes('gone'))), null);
      if (start === 1) {
        const fields = { writer: 1, tombstone: false, from: 1, expiryMs: 0 };
        const record = encodeRecord({ timestamp: clients, ...fields }, bytes('v'));
        await simulation.settle(
          new Promise<void>((resolve) => store.write(bytes('k'), record, { onWrite: () => resolve() }, 0)),
        );
      }
      if (start > 1) assert.ok(store.newestTimestamp - clients < 100);
      simulation = simulation.restartWith(simulation.fs.kill());
      simulation.clock.setWallMs(Date.UTC(2025, 0, 1) - start * 1_000_000);
    }
  });
});
