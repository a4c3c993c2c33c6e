import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecord,
  type KeyedRecord,
  type WriteSink,
  WriteStatus,
} from '../../../../../native-free-lsm/index.ts';
import { SpanBuilder } from '../../../../../src/replica/bootstrap/bulk-span.ts';
import { BulkWriter } from '../../../../../src/replica/bootstrap/bulk-writer.ts';
import { bulkEntries } from '../../../../support/bulk-entries.ts';

const FRESH = 1_000;
const KEYS = 2_000;
const NEVER = new AbortController().signal;

function packed(timestamp: number): Buffer {
  const fields = { timestamp, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
  const record = encodeRecord(fields, Buffer.alloc(1_000));
  return bulkEntries(
    Array.from({ length: KEYS }, (_, key) => [String(key).padStart(6, '0'), record] as const),
  );
}

/** An engine that takes everything from outside, and says of each batch when the test tells it to. */
class SlowEngine {
  left: Uint8Array = new Uint8Array(0);
  ingests = 0;
  puts = 0;
  batches = 0;
  mostUnderWayBytes = 0;
  #underWayBytes = 0;
  /** Batches fail so often. */
  failures = 0;
  readonly #under: (() => void)[] = [];

  readonly writer = new BulkWriter({
    engine: {
      ingest: async () => {
        this.ingests++;
        return this.left;
      },
      writeBatch: (puts, sink) => this.#write(puts, sink),
    },
    timestamps: { follow: () => true },
    maxBatchBytes: 1_000_000,
  });

  /** Ends what is under way, until the promise is settled. */
  async settle(promise: Promise<void>): Promise<void> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    while (!isSettled) {
      for (const answer of this.#under.splice(0)) answer();
      await undefined;
    }
    return promise;
  }

  #write(puts: readonly KeyedRecord[], sink: WriteSink): void {
    const bytes = puts.reduce((sum, { key, record }) => sum + key.length + record.length, 0);
    this.batches++;
    this.#underWayBytes += bytes;
    this.mostUnderWayBytes = Math.max(this.mostUnderWayBytes, this.#underWayBytes);
    this.#under.push(() => {
      this.#underWayBytes -= bytes;
      if (this.failures-- > 0) return sink.onWrite(0, WriteStatus.failed, 0, 0, new Error('no space'));
      this.puts += puts.length;
      sink.onWrite(0, WriteStatus.applied, 0, 0, null);
    });
  }
}

test('what the engine leaves, and what is fresh, is put in batches, few of them at a time', async () => {
  for (const kind of ['left', 'fresh']) {
    const engine = new SlowEngine();
    const builder = new SpanBuilder(1, 100);
    builder.add(0, packed(kind === 'fresh' ? FRESH : 1), FRESH);
    if (kind === 'left') engine.left = packed(1);
    await engine.settle(engine.writer.write(builder.cut(new Uint8Array(0), null), NEVER));
    assert.equal(engine.puts, KEYS, kind);
    assert.ok(engine.batches < 20, `${kind}: ${engine.batches} batches, each with a sync`);
    assert.ok(engine.mostUnderWayBytes <= 512 * 1024, `${kind}: ${engine.mostUnderWayBytes} bytes at a time`);
  }
});

test('a span that the engine has taken is not given to it again when what it left cannot be put', async () => {
  const engine = new SlowEngine();
  const builder = new SpanBuilder(1, 100);
  builder.add(0, packed(1), FRESH);
  engine.left = packed(1);
  engine.failures = 1;
  const span = builder.cut(new Uint8Array(0), null);
  await assert.rejects(engine.settle(engine.writer.write(span, NEVER)), { code: 'STORAGE' });
  engine.puts = 0;
  await engine.settle(engine.writer.write(span, NEVER));
  assert.deepEqual([engine.ingests, engine.puts], [1, KEYS]);
  builder.add(0, packed(1), FRESH);
  await engine.settle(engine.writer.write(builder.cut(new Uint8Array(0), null), NEVER));
  assert.equal(engine.ingests, 2);
});

test('nothing more is put once it is given up', async () => {
  const engine = new SlowEngine();
  const over = new AbortController();
  const builder = new SpanBuilder(1, 100);
  builder.add(0, packed(FRESH), FRESH);
  const writing = engine.writer.write(builder.cut(new Uint8Array(0), null), over.signal);
  over.abort(new Error('another lack'));
  await assert.rejects(engine.settle(writing), /another lack/);
  assert.ok(engine.puts < KEYS, String(engine.puts));
});
