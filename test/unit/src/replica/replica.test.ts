import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { MapEngine } from '../../../../bench/cluster/map-engine.ts';
import type { PageRequest } from '../../../../native-free-lsm/index.ts';
import {
  encodeRecord,
  LsmError,
  type LsmErrorCode,
  Page,
  type ReadSink,
  recordTimestamp,
  recordWriter,
  slotOf,
  type WriteSink,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { chunkEncoding } from '../../../../src/http/entry-encoding.ts';
import { OWN_KEYS_START, OwnPart, OwnRecords } from '../../../../src/replica/own-records.ts';
import { Replica } from '../../../../src/replica/replica.ts';
import type { EngineStatus, RangePage, StorageEngine } from '../../../../src/replica/storage-engine.ts';
import { failed, type ReplicaReply, ReplyKind } from '../../../../src/reply.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { record } from '../../../support/engine-calls.ts';

const KEY = Buffer.from('key');

const EMPTY_PAGE = new Page(new Uint8Array(0), 0, null);
const CHUNKS = chunkEncoding.place + 1;

class Answers {
  readonly all: { position: number; reply: ReplicaReply }[] = [];
  onReply(position: number, reply: ReplicaReply): void {
    this.all.push({ position, reply });
  }
}

/** Answers when and how the test says. */
class ScriptedEngine implements StorageEngine {
  readonly reads: { key: Uint8Array; sink: ReadSink; token: number }[] = [];
  readonly writes: { record: Uint8Array; sink: WriteSink; token: number }[] = [];
  readonly ranges: PageRequest[] = [];
  readonly newestTimestamp = 0;
  page: () => Promise<RangePage> = async () => EMPTY_PAGE;

  read(key: Uint8Array, sink: ReadSink, token: number): void {
    this.reads.push({ key, sink, token });
  }

  write(_key: Uint8Array, written: Uint8Array, sink: WriteSink, token: number): void {
    this.writes.push({ record: written, sink, token });
  }

  writeBatch(): void {
    throw new Error('a replica writes no batches');
  }

  ingest(): Promise<null> {
    throw new Error('a replica takes records one by one');
  }

  rangePage(request: PageRequest): Promise<RangePage> {
    this.ranges.push(request);
    return this.page();
  }

  stats(): EngineStatus {
    return new MapEngine().stats();
  }

  readonly #empty = new MapEngine();
  slotDigests: StorageEngine['slotDigests'] = (...asked) => this.#empty.slotDigests(...asked);
  slotVersions: StorageEngine['slotVersions'] = (...asked) => this.#empty.slotVersions(...asked);
  slotRecords: StorageEngine['slotRecords'] = (...asked) => this.#empty.slotRecords(...asked);

  async sync(): Promise<void> {}
  purge(): void {}
  async close(): Promise<void> {}

  failRead(index: number, code: LsmErrorCode): void {
    const { sink, token } = this.reads[index];
    sink.onRead(token, null, new LsmError(code, `${code} happened`));
  }

  failWrite(index: number, code: LsmErrorCode): void {
    const { sink, token } = this.writes[index];
    sink.onWrite(token, WriteStatus.failed, 0, 0, new LsmError(code, `${code} happened`));
  }
}

function setUp(engine: StorageEngine) {
  const clock = new FakeClock();
  const filled = new Set<number>();
  const wholeness = {
    isWhole: true,
    filled,
    isSlotWhole: (slot: number) => wholeness.isWhole || filled.has(slot),
  };
  const observed: number[] = [];
  const logged: string[] = [];
  const replica = new Replica({
    engine,
    wholeness,
    settlements: { highest: 0, judge: () => null },
    timestamps: {
      follow: (timestamp) => {
        if (timestamp > 1000) return false;
        observed.push(timestamp);
        return true;
      },
      // Not what the wall clock shows.
      nowMs: () => clock.nowMs() + 500,
    },
    clock,
    maxKeyBytes: 16,
    maxRecordBytes: 64,
    log: {
      warn: (message) => void logged.push(`warn: ${message}`),
      error: (message) => void logged.push(`error: ${message}`),
    },
  });
  return { replica, clock, wholeness, observed, logged, answers: new Answers() };
}

describe('over a plain store', () => {
  let engine: MapEngine;
  let made: ReturnType<typeof setUp>;
  beforeEach(() => {
    engine = new MapEngine();
    made = setUp(engine);
  });

  function last(): ReplicaReply {
    return made.answers.all.at(-1)!.reply;
  }

  test('writes are stored, older ones are told what they met, reads find the newest', () => {
    const { replica, answers } = made;
    replica.read(KEY, answers, 0);
    replica.write(KEY, record(5, 'new'), answers, 1);
    replica.writeFromPeer(KEY, record(4, 'old'), answers, 2);
    replica.read(KEY, answers, 3);
    assert.deepEqual(
      answers.all.map(({ position, reply }) => [position, reply.kind, reply.record === null, reply.reason]),
      [
        [0, ReplyKind.absent, true, ''],
        [1, ReplyKind.ok, true, ''],
        [2, ReplyKind.stale, false, 'it holds a newer version'],
        [3, ReplyKind.ok, false, ''],
      ],
    );
    assert.deepEqual(Buffer.from(last().record!), Buffer.from(record(5, 'new')));
    const met = answers.all[2].reply.record!;
    const { timestamp, writer } = { timestamp: recordTimestamp(met, 0), writer: recordWriter(met, 0) };
    assert.deepEqual([timestamp, writer, met.length], [5, recordWriter(record(5, 'new'), 0), 16]);
    replica.write(KEY, record(5, 'new'), answers, 4);
    assert.equal(last().kind, ReplyKind.stale, 'the same version, again');
  });

  test('a tombstone is found, not absent', () => {
    const { replica, answers } = made;
    replica.write(KEY, record(5, null), answers, 0);
    replica.read(KEY, answers, 1);
    assert.equal(last().kind, ReplyKind.ok);
    assert.deepEqual(Buffer.from(last().record!), Buffer.from(record(5, null)));
  });

  test('a read of the version answers with the header alone, expiry included', () => {
    const { replica, answers } = made;
    replica.readVersion(KEY, answers, 0);
    assert.equal(last().kind, ReplyKind.absent);
    replica.write(KEY, record(5, 'value'), answers, 0);
    replica.readVersion(KEY, answers, 0);
    assert.deepEqual(Buffer.from(last().record!), Buffer.from(record(5, '')));
    const fields = { timestamp: 6, writer: 1, tombstone: false, from: 3, expiryMs: 77 };
    replica.write(KEY, encodeRecord(fields, Buffer.from('value')), answers, 0);
    replica.readVersion(KEY, answers, 0);
    assert.equal(last().record!.length, 24);
    assert.equal(last().record!.buffer.byteLength, 24, 'the value is not kept by it');
  });

  test('a node that is not whole takes writes and answers reads as incomplete, with what it has', () => {
    const { replica, answers, wholeness } = made;
    wholeness.isWhole = false;
    replica.read(KEY, answers, 0);
    assert.deepEqual([last().kind, last().record], [ReplyKind.incomplete, null]);
    replica.write(KEY, record(5, 'value'), answers, 0);
    assert.equal(last().kind, ReplyKind.ok);
    replica.read(KEY, answers, 0);
    assert.equal(last().kind, ReplyKind.incomplete);
    assert.deepEqual(Buffer.from(last().record!), Buffer.from(record(5, 'value')));
    wholeness.isWhole = true;
    replica.read(KEY, answers, 0);
    assert.equal(last().kind, ReplyKind.ok);
  });

  test("a peer's write moves the clock; one too far ahead is failed and moves nothing", () => {
    const { replica, answers, observed, logged } = made;
    replica.writeFromPeer(KEY, record(1000, 'at the limit'), answers, 0);
    assert.equal(last().kind, ReplyKind.ok);
    replica.writeFromPeer(KEY, record(1001, 'beyond'), answers, 0);
    assert.deepEqual(last(), failed(FailureCode.timestampAhead, 'timestamp too far ahead of the clock'));
    assert.deepEqual(observed, [1000]);
    assert.equal(replica.figures().refusedForClock, 1);
    assert.match(logged[0], /^warn: .*too far ahead of this clock/);
    replica.read(KEY, answers, 0);
    assert.deepEqual(Buffer.from(last().record!), Buffer.from(record(1000, 'at the limit')));
  });

  test("the node's own write is judged as a peer's is", () => {
    const { replica, answers, logged } = made;
    replica.write(KEY, record(1001, 'own'), answers, 0);
    assert.deepEqual(last(), failed(FailureCode.timestampAhead, 'timestamp too far ahead of the clock'));
    assert.match(logged[0], /^warn: Refused a write of this node: .*too far ahead of this clock/);
    replica.read(KEY, answers, 1);
    assert.equal(last().kind, ReplyKind.absent);
  });

  test('malformed writes of a peer are failed one by one', () => {
    const { replica, answers, observed } = made;
    const unknownFlag = record(5, 'value');
    unknownFlag[1] = 0x80;
    const unknownFormat = record(5, 'value');
    unknownFormat[0] = 2;
    const ofNobody = record(5, 'value');
    ofNobody[2] = 0;
    const cases: [Uint8Array, Uint8Array, FailureCode, RegExp][] = [
      [new Uint8Array(0), record(5, 'value'), FailureCode.malformed, /key is empty/],
      [new Uint8Array(17), record(5, 'value'), FailureCode.keyTooLong, /key of 17 bytes is above 16/],
      [KEY, new Uint8Array(15), FailureCode.malformed, /shorter than its header/],
      [KEY, record(5, new Uint8Array(49)), FailureCode.tooLarge, /record of 65 bytes is above 64/],
      [KEY, unknownFlag, FailureCode.malformed, /flags 128 are unknown/],
      [KEY, unknownFormat, FailureCode.malformed, /format 2 is unknown/],
      [KEY, ofNobody, FailureCode.malformed, /`from` is 0/],
      [OWN_KEYS_START, record(5, 'value'), FailureCode.malformed, /begins with the byte 0xff/],
      [Buffer.from([0xff, 0x68]), record(5, 'value'), FailureCode.malformed, /begins with the byte 0xff/],
    ];
    for (const [key, written, code, reason] of cases) {
      replica.writeFromPeer(key, written, answers, 0);
      assert.deepEqual([last().kind, last().code], [ReplyKind.failed, code]);
      assert.match(last().reason, reason);
    }
    assert.equal(replica.figures().refusedMalformed, cases.length);
    assert.deepEqual(observed, []);
    assert.equal(engine.stats().estimatedKeys, 0);
  });

  test("the node's own records are written by nobody else, and are in no scan", async () => {
    const { replica, answers } = made;
    const own = new OwnRecords(engine);
    await own.put(OwnPart.hints, Buffer.from('name'), Buffer.from('value'));
    const ownKey = Buffer.from([0xff, OwnPart.hints, ...Buffer.from('name')]);
    for (const write of ['write', 'writeFromPeer'] as const) {
      replica[write](ownKey, record(999, 'other'), answers, 0);
      assert.deepEqual([last().kind, last().code], [ReplyKind.failed, FailureCode.malformed]);
    }
    assert.deepEqual(
      await own.get(OwnPart.hints, Buffer.from('name')),
      Uint8Array.from(Buffer.from('value')),
    );
    const { signal } = new AbortController();
    replica.write(Buffer.from([0xf4, 0x8f, 0xbf, 0xbf]), record(5, 'last'), answers, 1);
    for (const end of [null, Buffer.from([0xff, 0xff]), OWN_KEYS_START]) {
      const page = await replica.page(new Uint8Array(0), end, 1 << 20, CHUNKS, signal);
      const text = Buffer.from(page.bytes.subarray(0, page.usedBytes)).toString();
      assert.equal(text, '9\r\n\u{10ffff}\nlast\r\n');
      assert.equal(page.resumeAt, null);
    }
  });

  test('a few of many refusals are logged, and the rest are counted in the next message', () => {
    const { replica, answers, logged, clock } = made;
    for (let i = 0; i < 100; i++) replica.writeFromPeer(KEY, record(2000, 'x'), answers, 0);
    assert.equal(logged.length, 1);
    clock.advance(5_000);
    replica.writeFromPeer(KEY, record(2000, 'x'), answers, 0);
    assert.equal(logged.length, 2);
    assert.match(logged[1], /and 99 more since/);
    assert.equal(replica.figures().refusedForClock, 101);
  });

  test('pages are encoded, and hold neither tombstones nor what has expired by the clock', async () => {
    const { replica, answers, clock } = made;
    const expiring = (timestamp: number, expiryMs: number) =>
      encodeRecord({ timestamp, writer: 1, tombstone: false, from: 1, expiryMs }, Buffer.from('short'));
    const entries: [string, Uint8Array][] = [
      ['a', record(1, 'one')],
      ['b', record(2, null)],
      ['c', expiring(3, clock.nowMs() + 500)],
      ['d', expiring(4, clock.nowMs() + 501)],
      ['e', record(5, '')],
    ];
    for (const [key, written] of entries) replica.write(Buffer.from(key), written, answers, 0);
    const { signal } = new AbortController();
    const page = await replica.page(new Uint8Array(0), null, 1 << 20, CHUNKS, signal);
    const text = Buffer.from(page.bytes.subarray(0, page.usedBytes)).toString();
    assert.equal(text, '5\r\na\none\r\n7\r\nd\nshort\r\n2\r\ne\n\r\n');
    assert.equal(page.resumeAt, null);
    const part = await replica.page(Buffer.from('b'), Buffer.from('d'), 1, CHUNKS, signal);
    assert.deepEqual([part.usedBytes, part.resumeAt], [0, null]);
  });
});

describe('over an engine that takes its time', () => {
  test('a read counts when its slot was whole from its beginning to its end', () => {
    const engine = new ScriptedEngine();
    const { replica, wholeness, answers } = setUp(engine);
    const slot = slotOf(KEY);
    const readWhile = (change: () => void): ReplyKind => {
      replica.read(KEY, answers, 0);
      change();
      const { sink, token } = engine.reads.at(-1)!;
      sink.onRead(token, null, null);
      return answers.all.at(-1)!.reply.kind;
    };
    const stay = (): void => undefined;
    assert.equal(readWhile(stay), ReplyKind.absent);
    assert.equal(
      readWhile(() => {
        wholeness.isWhole = false;
      }),
      ReplyKind.incomplete,
      'found out on the way',
    );
    assert.equal(readWhile(stay), ReplyKind.incomplete);
    // What was read may be from before the slot was filled.
    assert.equal(
      readWhile(() => wholeness.filled.add(slot)),
      ReplyKind.incomplete,
    );
    assert.equal(readWhile(stay), ReplyKind.absent);
    assert.equal(
      readWhile(() => wholeness.filled.clear()),
      ReplyKind.incomplete,
    );
    assert.equal(
      readWhile(() => {
        wholeness.isWhole = true;
      }),
      ReplyKind.incomplete,
    );
    assert.equal(readWhile(stay), ReplyKind.absent);
  });

  let engine: ScriptedEngine;
  let made: ReturnType<typeof setUp>;
  beforeEach(() => {
    engine = new ScriptedEngine();
    made = setUp(engine);
  });

  test('answers go to their callers, in whatever order they come, and no token is given out twice', () => {
    const { replica } = made;
    for (let round = 0; round < 3; round++) {
      const sinks = Array.from({ length: 5 }, () => new Answers());
      for (const [i, sink] of sinks.entries()) replica.read(Buffer.from([i]), sink, 10 + i);
      assert.equal(replica.figures().readsInFlight, 5);
      for (const i of [3, 0, 4, 2, 1]) {
        const { sink, token } = engine.reads[round * 5 + i];
        sink.onRead(token, record(i + 1, 'v'), null);
      }
      for (const [i, sink] of sinks.entries()) {
        assert.equal(sink.all.length, 1);
        assert.equal(sink.all[0].position, 10 + i);
        assert.deepEqual(Buffer.from(sink.all[0].reply.record!), Buffer.from(record(i + 1, 'v')));
      }
    }
    assert.equal(new Set(engine.reads.map(({ token }) => token)).size, engine.reads.length);
    assert.equal(replica.figures().readsInFlight, 0);
  });

  test('a sink may ask again from within its answer', () => {
    const { replica } = made;
    const answers = new Answers();
    const asking = {
      onReply: (position: number, reply: ReplicaReply) => {
        answers.onReply(position, reply);
        if (position < 3) replica.write(KEY, record(position + 2, 'v'), asking, position + 1);
      },
    };
    replica.write(KEY, record(1, 'v'), asking, 0);
    for (let i = 0; i < 4; i++) {
      const { sink, token } = engine.writes[i];
      sink.onWrite(token, WriteStatus.applied, 0, 0, null);
    }
    assert.deepEqual(
      answers.all.map(({ position }) => position),
      [0, 1, 2, 3],
    );
  });

  test('an engine that answers twice is caught', () => {
    const { replica, answers } = made;
    replica.read(KEY, answers, 0);
    const { sink, token } = engine.reads[0];
    sink.onRead(token, null, null);
    assert.throws(() => sink.onRead(token, null, null), /answered twice/);
    assert.equal(answers.all.length, 1);
  });

  test('errors of the engine become failures with a code and a short reason, and what is not expected is logged', () => {
    const { replica, answers, logged } = made;
    const failures: [LsmErrorCode, FailureCode, string][] = [
      ['NO_SPACE', FailureCode.noSpace, 'disk full'],
      ['READ_ONLY', FailureCode.readOnly, 'disk read-only'],
      ['OVERLOADED', FailureCode.overloaded, 'overloaded'],
      ['CLOSED', FailureCode.stopping, 'stopping'],
      ['CORRUPTION', FailureCode.corruption, 'damaged data'],
      ['IO_ERROR', FailureCode.storage, 'storage error'],
      ['WORKER_DIED', FailureCode.workerDied, 'a storage thread died'],
    ];
    for (const [i, [code, failure, reason]] of failures.entries()) {
      replica.write(KEY, record(1, 'v'), answers, i);
      engine.failWrite(i, code);
      replica.read(KEY, answers, i);
      engine.failRead(i, code);
      for (const { reply } of answers.all.slice(-2)) {
        assert.deepEqual(reply, failed(failure, reason));
      }
    }
    assert.equal(replica.figures().readsFailed, failures.length);
    assert.equal(replica.figures().writesFailed, failures.length);
    assert.deepEqual(logged, ['error: A write failed: NO_SPACE happened']);
    assert.equal(replica.isPoisoned, false);
  });

  test('a poisoned engine is noticed once, and reads go on', () => {
    const { replica, answers, logged } = made;
    for (let i = 0; i < 3; i++) {
      replica.write(KEY, record(1, 'v'), answers, 0);
      engine.failWrite(i, 'POISONED');
    }
    assert.equal(replica.isPoisoned, true);
    assert.equal(logged.length, 1);
    assert.match(logged[0], /^error: The node takes no more writes/);
    replica.read(KEY, answers, 7);
    engine.reads[0].sink.onRead(engine.reads[0].token, record(1, 'v'), null);
    assert.equal(answers.all.at(-1)!.reply.kind, ReplyKind.ok);
  });

  test('a page whose signal is aborted is failed before it is asked for, and after', async () => {
    const { replica } = made;
    await assert.rejects(replica.page(KEY, null, 1, CHUNKS, AbortSignal.abort(new Error('gone'))), /gone/);
    assert.equal(engine.ranges.length, 0);
    const controller = new AbortController();
    const pending = replica.page(KEY, null, 1, CHUNKS, controller.signal);
    controller.abort(new Error('gone'));
    await assert.rejects(pending, /gone/);
  });

  test('a page that fails says how', async () => {
    const { replica } = made;
    const { signal } = new AbortController();
    for (const [code, expected] of [
      ['OVERLOADED', 'OVERLOADED'],
      ['CLOSED', 'DRAINING'],
      ['CORRUPTION', 'STORAGE'],
    ] as const) {
      engine.page = () => Promise.reject(new LsmError(code, 'no'));
      await assert.rejects(replica.page(KEY, null, 1, CHUNKS, signal), { code: expected });
    }
  });

  test('an empty page that is not the last goes on where the engine says', async () => {
    const { replica } = made;
    engine.page = async () => new Page(new Uint8Array(0), 0, Buffer.from('m'));
    const page = await replica.page(KEY, null, 1, CHUNKS, new AbortController().signal);
    assert.deepEqual([page.usedBytes, Buffer.from(page.resumeAt!).toString()], [0, 'm']);
  });
});
