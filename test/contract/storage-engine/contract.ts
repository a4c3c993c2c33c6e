/**
 * What every StorageEngine does, whatever it is made of. Each test has a directory of its own; opening it again stands
 * for a restart.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { PageRequest } from '../../../native-free-lsm/index.ts';
import { encodeRecord, WriteStatus } from '../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../src/clock.ts';
import { ENTRY_ENCODINGS } from '../../../src/http/entry-encoding.ts';
import type { StorageEngine } from '../../../src/replica/storage-engine.ts';
import { encodedPage } from '../../support/encoded-page.ts';
import { readRecord, readResult, record, writeRecordTo } from '../../support/engine-calls.ts';
import { pageEntries } from '../../support/page-entries.ts';
import { expectSlots } from './slots.ts';

export type OpenEngine = (directory: string) => Promise<StorageEngine>;

const EVERYTHING: PageRequest = {
  start: new Uint8Array(0),
  end: null,
  maxBytes: 1 << 20,
  maxEntries: 10_000,
  includeTombstones: false,
  encoder: 0,
  nowMs: 0,
};

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}

/** Every entry a range has, page by page, as [key, record] in hexadecimal; checks each page's form. */
async function scan(engine: StorageEngine, asked: Partial<PageRequest> = {}): Promise<[string, string][]> {
  const entries: [string, string][] = [];
  let request = { ...EVERYTHING, ...asked };
  for (;;) {
    const page = await engine.rangePage(request);
    const found = pageEntries(page);
    assert.ok(found.length <= request.maxEntries);
    for (const [key, stored] of found) entries.push([hex(key), hex(stored)]);
    const next = page.resumeAt;
    if (next === null) return entries;
    const last = found.at(-1)?.[0];
    assert.ok(
      last === undefined || Buffer.compare(next, last) > 0,
      'a scan goes on behind the last key of a page',
    );
    assert.ok(Buffer.compare(next, request.start) > 0, 'a scan gets ahead');
    request = { ...request, start: next };
  }
}

async function expectStored(
  engine: StorageEngine,
  key: Uint8Array,
  stored: Uint8Array | null,
): Promise<void> {
  const found = await readRecord(engine, key);
  assert.equal(found === null ? null : hex(found), stored === null ? null : hex(stored));
}

/** @param modelRuns how many random runs are compared with the model: fewer where opening is expensive */
export function storageEngineContract(name: string, open: OpenEngine, modelRuns = 40): void {
  describe(`${name}: storage engine contract`, () => {
    let root: string;
    let made = 0;
    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'quorate-contract-'));
    });
    after(() => rm(root, { recursive: true, force: true }));

    async function withEngine(
      use: (engine: StorageEngine, directory: string) => Promise<void>,
    ): Promise<void> {
      const directory = join(root, String(made++));
      const engine = await open(directory);
      try {
        await use(engine, directory);
      } finally {
        await engine.close();
      }
    }

    function engineTest(
      title: string,
      use: (engine: StorageEngine, directory: string) => Promise<void>,
    ): void {
      test(title, () => withEngine(use));
    }

    engineTest('a key never written is absent', async (engine) => {
      await expectStored(engine, bytes('k'), null);
      assert.deepEqual(await scan(engine), []);
    });

    engineTest('the newest timestamp is that of any key', async (engine) => {
      assert.equal(engine.newestTimestamp, 0);
      for (const timestamp of [5, 9, 7])
        await writeRecordTo(engine, bytes(`k${timestamp}`), record(timestamp, ''));
      assert.equal(engine.newestTimestamp, 9);
    });

    engineTest('a write is read as the same bytes', async (engine) => {
      const written = record(5, 'value');
      const result = await writeRecordTo(engine, bytes('k'), written);
      assert.deepEqual(result, { status: WriteStatus.applied, metTimestamp: 0, metWriter: 0, error: null });
      await expectStored(engine, bytes('k'), written);
      await expectStored(engine, bytes('K'), null);
      await expectStored(engine, bytes('k\0'), null);
    });

    engineTest('slots are as a walk of all records says', async (engine) => {
      const written = new Map<string, Uint8Array>();
      const put = async (key: string, stored: Uint8Array): Promise<void> => {
        await writeRecordTo(engine, Buffer.from(key, 'latin1'), stored);
        written.set(key, stored);
      };
      await expectSlots(engine, written);
      for (let i = 0; i < 30; i++) {
        const fields = { timestamp: 10 + i, writer: i % 3, tombstone: i % 5 === 0, from: i % 4, expiryMs: 0 };
        await put(`key${i}`, encodeRecord(fields, bytes(fields.tombstone ? '' : `value${i}`)));
      }
      await expectSlots(engine, written);
      const expiring = { timestamp: 70, writer: 1, tombstone: false, from: 2, expiryMs: 4_000_000_000_000 };
      await put('key7', encodeRecord(expiring, bytes('new')));
      await expectSlots(engine, written);
      await put('key11', record(71, null));
      await expectSlots(engine, written);
    });

    engineTest('a newer version takes the place of an older one', async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(5, 'old'));
      const result = await writeRecordTo(engine, bytes('k'), record(6, 'new'));
      assert.equal(result.status, WriteStatus.applied);
      assert.ok(result.metTimestamp === 5 || result.metTimestamp === 0, 'what it met, where it had to look');
      await expectStored(engine, bytes('k'), record(6, 'new'));
    });

    engineTest('an older version that arrives late is stale and hides nothing', async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(6, 'new', 9));
      const result = await writeRecordTo(engine, bytes('k'), record(5, 'old'));
      assert.deepEqual(result, { status: WriteStatus.stale, metTimestamp: 6, metWriter: 9, error: null });
      await expectStored(engine, bytes('k'), record(6, 'new', 9));
    });

    engineTest('the same version again is stale and changes nothing', async (engine) => {
      for (let i = 0; i < 3; i++) {
        const result = await writeRecordTo(engine, bytes('k'), record(5, 'value', 2));
        if (i === 0) assert.equal(result.status, WriteStatus.applied);
        else
          assert.deepEqual(result, { status: WriteStatus.stale, metTimestamp: 5, metWriter: 2, error: null });
      }
      await expectStored(engine, bytes('k'), record(5, 'value', 2));
    });

    engineTest('the writer decides between equal timestamps', async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(5, 'second', 2));
      assert.equal(
        (await writeRecordTo(engine, bytes('k'), record(5, 'first', 1))).status,
        WriteStatus.stale,
      );
      await expectStored(engine, bytes('k'), record(5, 'second', 2));
      // Writers are 32 bits without a sign.
      const highest = record(5, 'highest', 0xffffffff);
      assert.equal((await writeRecordTo(engine, bytes('k'), highest)).status, WriteStatus.applied);
      await expectStored(engine, bytes('k'), highest);
    });

    engineTest('timestamps use all 53 bits', async (engine) => {
      const late = record(Number.MAX_SAFE_INTEGER, 'late');
      await writeRecordTo(engine, bytes('k'), late);
      const early = record(Number.MAX_SAFE_INTEGER - 1, 'early');
      const result = await writeRecordTo(engine, bytes('k'), early);
      assert.deepEqual([result.status, result.metTimestamp], [WriteStatus.stale, Number.MAX_SAFE_INTEGER]);
      await expectStored(engine, bytes('k'), late);
      await writeRecordTo(engine, bytes('low'), record(0xffffffff, 'low'));
      await writeRecordTo(engine, bytes('low'), record(0x100000000, 'high'));
      await expectStored(engine, bytes('low'), record(0x100000000, 'high'));
    });

    engineTest('a tombstone is a record, and an older value does not come back', async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(5, 'value'));
      await writeRecordTo(engine, bytes('k'), record(6, null));
      await expectStored(engine, bytes('k'), record(6, null));
      assert.equal((await writeRecordTo(engine, bytes('k'), record(5, 'late'))).status, WriteStatus.stale);
      assert.deepEqual(await scan(engine), []);
      assert.deepEqual(await scan(engine, { includeTombstones: true }), [
        [hex(bytes('k')), hex(record(6, null))],
      ]);
      await writeRecordTo(engine, bytes('k'), record(7, 'again'));
      await expectStored(engine, bytes('k'), record(7, 'again'));
    });

    engineTest('a tombstone of a key never written is kept', async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(6, null));
      assert.equal((await writeRecordTo(engine, bytes('k'), record(5, 'late'))).status, WriteStatus.stale);
      await expectStored(engine, bytes('k'), record(6, null));
    });

    engineTest('sizes: empty values, 4 KiB keys, 1 MiB values', async (engine) => {
      const longKey = Buffer.alloc(4096, 'k');
      const longerByOne = Buffer.alloc(4095, 'k');
      const large = Buffer.alloc(1 << 20);
      const random = seededRandom(3);
      for (let at = 0; at < large.length; at++) large[at] = random() * 256;
      const cases: [Buffer, Uint8Array][] = [
        [bytes('empty'), record(1, '')],
        [longKey, record(2, 'long')],
        [longerByOne, record(3, 'shorter')],
        [bytes('large'), record(4, large)],
      ];
      await Promise.all(cases.map(([key, value]) => writeRecordTo(engine, key, value)));
      for (const [key, value] of cases) await expectStored(engine, key, value);
      const expected = cases
        .map(([key, value]) => [hex(key), hex(value)])
        .sort((a, b) => (a[0] < b[0] ? -1 : 1));
      assert.deepEqual(await scan(engine), expected);
    });

    engineTest('keys are bytes and order by bytes, a prefix first', async (engine) => {
      const keys = [
        '00',
        '0000',
        '0001',
        '00ff',
        '01',
        '61',
        '6100',
        '617f',
        '6180',
        '7f',
        '80',
        'c3a4',
        'ff',
        'ffff',
      ];
      for (const [i, key] of keys.toReversed().entries()) {
        await writeRecordTo(engine, Buffer.from(key, 'hex'), record(i + 1, key));
      }
      assert.deepEqual(
        (await scan(engine)).map(([key]) => key),
        keys,
      );
      for (const key of keys) {
        const found = await readRecord(engine, Buffer.from(key, 'hex'));
        assert.equal(Buffer.from(found!.subarray(16)).toString(), key);
      }
    });

    engineTest(
      'a range starts at its start, stops before its end, and goes on from any key',
      async (engine) => {
        const keys = Array.from({ length: 50 }, (_, i) => `key${String(i).padStart(2, '0')}`);
        for (const [i, key] of keys.entries()) await writeRecordTo(engine, bytes(key), record(i + 1, key));
        const inRange = async (asked: Partial<PageRequest>) =>
          (await scan(engine, asked)).map(([key]) => Buffer.from(key, 'hex').toString());
        assert.deepEqual(await inRange({ start: bytes('key10'), end: bytes('key20') }), keys.slice(10, 20));
        assert.deepEqual(await inRange({ start: bytes('key105') }), keys.slice(11));
        assert.deepEqual(await inRange({ start: bytes('key48x') }), ['key49']);
        assert.deepEqual(await inRange({ end: bytes('key02') }), keys.slice(0, 2));
        assert.deepEqual(await inRange({ start: bytes('key20'), end: bytes('key20') }), []);
        assert.deepEqual(await inRange({ start: bytes('key30'), end: bytes('key20') }), []);
        assert.deepEqual(await inRange({ start: bytes('z') }), []);
      },
    );

    engineTest('encoded pages put together are what is live, in either form', async (engine) => {
      const expected: [Buffer, Buffer][] = [];
      const expiring = (timestamp: number, expiryMs: number) =>
        encodeRecord({ timestamp, writer: 1, tombstone: false, from: 1, expiryMs }, bytes('short'));
      for (let i = 0; i < 300; i++) {
        const key = bytes(`key${String(i).padStart(3, '0')}`);
        const value = Buffer.alloc(i === 150 ? 70_000 : i, i);
        await writeRecordTo(engine, key, record(2 * i + 1, value));
        if (i % 5 === 0) await writeRecordTo(engine, key, record(2 * i + 2, null));
        else if (i % 5 === 1) await writeRecordTo(engine, key, expiring(2 * i + 2, 1000));
        else expected.push([key, value]);
      }
      const encoded = async (encoder: number, maxBytes: number): Promise<Buffer> => {
        const pieces: Buffer[] = [];
        for (let start: Uint8Array | null = EVERYTHING.start; start !== null; ) {
          using page = await engine.rangePage({ ...EVERYTHING, start, maxBytes, encoder, nowMs: 1000 });
          // Larger only if it is one entry: the longest but one has 299 bytes.
          assert.ok(page.usedBytes <= maxBytes || page.usedBytes > 70_000 || maxBytes < 400);
          pieces.push(Buffer.from(page.bytes.subarray(0, page.usedBytes)));
          start = page.resumeAt;
        }
        return Buffer.concat(pieces);
      };
      for (const maxBytes of [1, 1000, 1 << 20]) {
        for (const { encoder, place } of ENTRY_ENCODINGS) {
          const all = encodedPage(expected, encoder, null);
          assert.ok((await encoded(place + 1, maxBytes)).equals(all.bytes.subarray(0, all.usedBytes)));
        }
      }
    });

    engineTest('pages keep to their limits and lose or double nothing', async (engine) => {
      const size = 100;
      for (let i = 0; i < 60; i++) {
        const value = i % 3 === 2 ? null : Buffer.alloc(size, i);
        await writeRecordTo(engine, bytes(`key${String(i).padStart(2, '0')}`), record(i + 1, value));
      }
      const all = await scan(engine);
      const withTombstones = await scan(engine, { includeTombstones: true });
      assert.equal(all.length, 40);
      assert.equal(withTombstones.length, 60);
      for (const maxEntries of [1, 2, 7, 1000]) {
        for (const maxBytes of [1, size, 3 * size, 1 << 20]) {
          assert.deepEqual(await scan(engine, { maxEntries, maxBytes }), all);
          assert.deepEqual(
            await scan(engine, { maxEntries, maxBytes, includeTombstones: true }),
            withTombstones,
          );
        }
      }
      const page = await engine.rangePage({ ...EVERYTHING, maxBytes: 5 * size });
      assert.ok(
        page.usedBytes > 3 * size && page.usedBytes <= 5 * size,
        `a page of ${page.usedBytes} bytes was asked for ${5 * size}`,
      );
      assert.notEqual(page.resumeAt, null);
    });

    engineTest(
      'of concurrent writes to one key the newest version stays, whatever their order',
      async (engine) => {
        const random = seededRandom(11);
        const versions = Array.from({ length: 200 }, (_, i) => i + 1);
        for (let i = versions.length - 1; i > 0; i--) {
          const j = Math.floor(random() * (i + 1));
          [versions[i], versions[j]] = [versions[j], versions[i]];
        }
        const results = await Promise.all(
          versions.map((version) => writeRecordTo(engine, bytes('k'), record(version, `v${version}`))),
        );
        for (const [i, result] of results.entries()) {
          assert.equal(result.error, null);
          if (versions[i] === 200) assert.equal(result.status, WriteStatus.applied);
          if (result.status === WriteStatus.stale) assert.ok(result.metTimestamp > versions[i]);
        }
        await expectStored(engine, bytes('k'), record(200, 'v200'));
      },
    );

    engineTest('a read that follows an acknowledged write sees it, among many', async (engine) => {
      await Promise.all(
        Array.from({ length: 300 }, async (_, i) => {
          const key = bytes(`key${i % 40}`);
          const result = await writeRecordTo(engine, key, record(i + 1, `v${i}`));
          assert.equal(result.error, null);
          const found = await readRecord(engine, key);
          assert.ok(found !== null && Buffer.from(found.subarray(16)).toString().startsWith('v'));
        }),
      );
      for (let i = 260; i < 300; i++)
        await expectStored(engine, bytes(`key${i % 40}`), record(i + 1, `v${i}`));
    });

    engineTest("a record read is the caller's own", async (engine) => {
      await writeRecordTo(engine, bytes('k'), record(1, 'first'));
      const found = await readRecord(engine, bytes('k'));
      await writeRecordTo(engine, bytes('k'), record(2, 'other'));
      await readRecord(engine, bytes('k'));
      assert.equal(hex(found!), hex(record(1, 'first')));
    });

    engineTest('figures are numbers of a plausible size', async (engine) => {
      for (let i = 0; i < 100; i++) await writeRecordTo(engine, bytes(`key${i}`), record(i + 1, 'value'));
      const status = engine.stats();
      assert.ok(status.estimatedKeys >= 100 && status.estimatedKeys < 200, `${status.estimatedKeys} keys`);
      assert.ok(status.liveBytes >= 100 * 9, `${status.liveBytes} live bytes`);
      assert.equal(status.tableReadsByThread.main, 0);
      assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
    });

    test('close ends with everything accepted stored; opened again, all of it is there', () =>
      withEngine(async (first, directory) => {
        const written = Array.from({ length: 200 }, (_, i) =>
          writeRecordTo(first, bytes(`key${i % 100}`), record(i + 1, i % 10 === 0 ? null : `v${i}`)),
        );
        const [results] = await Promise.all([Promise.all(written), first.close()]);
        for (const result of results) assert.equal(result.error, null);
        const again = await open(directory);
        try {
          for (let i = 100; i < 200; i++) {
            await expectStored(again, bytes(`key${i % 100}`), record(i + 1, i % 10 === 0 ? null : `v${i}`));
          }
          assert.equal((await scan(again)).length, 90);
          assert.equal(
            (await writeRecordTo(again, bytes('key1'), record(1, 'late'))).status,
            WriteStatus.stale,
          );
          assert.equal(
            (await writeRecordTo(again, bytes('key1'), record(999, 'new'))).status,
            WriteStatus.applied,
          );
        } finally {
          await again.close();
        }
      }));

    engineTest('after close every call answers with an error', async (engine) => {
      await engine.close();
      const read = await readResult(engine, bytes('k'));
      assert.deepEqual([read.record, (read.error as { code?: string } | null)?.code], [null, 'CLOSED']);
      const write = await writeRecordTo(engine, bytes('k'), record(1, 'v'));
      assert.deepEqual(
        [write.status, (write.error as { code?: string } | null)?.code],
        [WriteStatus.failed, 'CLOSED'],
      );
      await assert.rejects(engine.rangePage(EVERYTHING), { code: 'CLOSED' });
      await engine.close();
    });

    test('random operations and restarts leave what a plain model leaves', async () => {
      const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
      const operation = fc.oneof(
        { weight: 8, arbitrary: fc.tuple(fc.constant('put' as const), key, fc.integer({ min: 1, max: 30 })) },
        {
          weight: 2,
          arbitrary: fc.tuple(fc.constant('delete' as const), key, fc.integer({ min: 1, max: 30 })),
        },
        { weight: 4, arbitrary: fc.tuple(fc.constant('read' as const), key, fc.constant(0)) },
        { weight: 2, arbitrary: fc.tuple(fc.constant('scan' as const), key, fc.integer({ min: 1, max: 5 })) },
        { weight: 1, arbitrary: fc.tuple(fc.constant('reopen' as const), key, fc.constant(0)) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
          const directory = join(root, String(made++));
          let engine = await open(directory);
          const model = new Map<string, { timestamp: number; bytes: Uint8Array; tombstone: boolean }>();
          try {
            for (const [kind, at, number] of operations) {
              if (kind === 'put' || kind === 'delete') {
                const tombstone = kind === 'delete';
                // One version has one content, as a coordinator's writes have.
                const written = record(2 * number + (tombstone ? 1 : 0), tombstone ? null : `v${number}`);
                const timestamp = 2 * number + (tombstone ? 1 : 0);
                const newer = timestamp > (model.get(hex(at))?.timestamp ?? 0);
                const { status } = await writeRecordTo(engine, at, written);
                assert.equal(status, newer ? WriteStatus.applied : WriteStatus.stale);
                if (newer) model.set(hex(at), { timestamp, bytes: written, tombstone });
              } else if (kind === 'read') {
                await expectStored(engine, at, model.get(hex(at))?.bytes ?? null);
              } else if (kind === 'scan') {
                const expected = [...model]
                  .filter(([name, entry]) => name >= hex(at) && !entry.tombstone)
                  .map(([name, entry]) => [name, hex(entry.bytes)])
                  .sort((a, b) => (a[0] < b[0] ? -1 : 1));
                assert.deepEqual(await scan(engine, { start: at, maxEntries: number }), expected);
              } else {
                await engine.close();
                engine = await open(directory);
              }
            }
          } finally {
            await engine.close();
          }
        }),
        { numRuns: modelRuns },
      );
    });
  });
}
