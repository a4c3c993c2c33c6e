/**
 * A sink that throws, closes the store or asks for more while it is called: all others are still answered, each once.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BlockCache, createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { KeyCache, keyCacheBytes } from '../../../../native-free-lsm/cache/key-cache.ts';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { frameTag } from '../../../../native-free-lsm/format/frame.ts';
import type { RecordStore } from '../../../../native-free-lsm/index.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { createControl } from '../../../../native-free-lsm/shared/control.ts';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { Arenas } from '../../../../native-free-lsm/store/arenas.ts';
import { AskedReads } from '../../../../native-free-lsm/store/asked-reads.ts';
import { BlockingReads } from '../../../../native-free-lsm/store/blocking-reads.ts';
import { CallerReads } from '../../../../native-free-lsm/store/caller-reads.ts';
import { ReadPath } from '../../../../native-free-lsm/store/read-path.ts';
import { ReaderChannel } from '../../../../native-free-lsm/store/reader-channel.ts';
import { recover } from '../../../../native-free-lsm/store/recovery.ts';
import { StartingReads } from '../../../../native-free-lsm/store/starting-reads.ts';
import { SuperVersions } from '../../../../native-free-lsm/store/super-versions.ts';
import {
  AnswerStatus,
  answerBytes,
  encodeAnswer,
} from '../../../../native-free-lsm/threads/protocol/reader-messages.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import { killHeldReaders, mortal } from '../../../support/mortal-executor.ts';

const KEYS = 50;
/** More than places and rings of readers take. */
const MANY = 20_000;

function key(i: number): Buffer {
  return Buffer.from(`key${String(i % KEYS).padStart(4, '0')}`);
}

async function filled(simulation: EngineSimulation): Promise<RecordStore> {
  const store = simulation.openStore({ blockCacheBytes: 0 });
  for (let i = 0; i < KEYS; i++)
    await simulation.settle(writeRecordTo(store, key(i), record(i + 1, 'value')));
  await simulation.settle(store.flush());
  return store;
}

/** Catches what sinks threw, which would otherwise end the process; other errors in microtasks are handled as usual. */
function catchThrown(t: TestContext): unknown[] {
  const thrown: unknown[] = [];
  t.mock.method(globalThis, 'queueMicrotask', (callback: () => void) => {
    try {
      callback();
    } catch (error) {
      thrown.push(error);
    }
  });
  return thrown;
}

/** Counts the answers of each token, and throws at some of them. */
class Thrower {
  readonly answers = new Map<number, number>();
  readonly #everyNth: number;
  readonly #all = Promise.withResolvers<void>();
  readonly #expected: number;

  constructor(expected: number, everyNth: number) {
    this.#expected = expected;
    this.#everyNth = everyNth;
  }

  get all(): Promise<void> {
    return this.#all.promise;
  }

  onRead(token: number): void {
    this.#answered(token);
  }

  onWrite(token: number): void {
    this.#answered(token);
  }

  assertOnceEach(): void {
    assert.equal(this.answers.size, this.#expected);
    for (const [token, count] of this.answers) assert.equal(count, 1, `answers of ${token}`);
  }

  #answered(token: number): void {
    this.answers.set(token, (this.answers.get(token) ?? 0) + 1);
    if (this.answers.size === this.#expected) this.#all.resolve();
    if (token % this.#everyNth === 0) throw new Error(`of ${token}`);
  }
}

test('reads that wait and reads in the rings are answered once each, though some sinks throw', async (t) => {
  const thrown = catchThrown(t);
  const { simulation } = mortal();
  const store = await filled(simulation);
  const sink = new Thrower(MANY, 7);
  for (let i = 0; i < MANY; i++) store.read(key(i), sink, i);
  await simulation.settle(sink.all);
  await simulation.pass(10);
  sink.assertOnceEach();
  assert.equal(thrown.length, Math.ceil(MANY / 7));
  assert.equal(store.stats().readsInFlight, 0);
  await simulation.settle(store.close());
});

test('writes are answered once each, though some sinks throw', async (t) => {
  const thrown = catchThrown(t);
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const sink = new Thrower(1000, 7);
  for (let i = 0; i < 1000; i++) store.write(key(i), record(i + 1, 'value'), sink, i);
  await simulation.settle(sink.all);
  await simulation.pass(10);
  sink.assertOnceEach();
  assert.equal(thrown.length, Math.ceil(1000 / 7));
  assert.equal(store.stats().writesInFlight, 0);
  await simulation.settle(store.close());
});

test('reads of a dead thread are all asked again, though some sinks throw', async (t) => {
  catchThrown(t);
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const sink = new Thrower(KEYS, 2);
  for (let i = 0; i < KEYS; i++) store.read(key(i), sink, i);
  await simulation.pass(1);
  await killHeldReaders(simulation, executor(), 3);
  await simulation.settle(sink.all);
  sink.assertOnceEach();
  executor().rolesHeld = false;
  executor().kick();
  await simulation.settle(store.close());
});

test('a close answers all that is under way, though some sinks throw', async (t) => {
  catchThrown(t);
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().rolesHeld = true;
  const sink = new Thrower(MANY, 3);
  for (let i = 0; i < MANY; i++) store.read(key(i), sink, i);
  const closed = store.close();
  executor().rolesHeld = false;
  executor().kick();
  await simulation.settle(closed);
  sink.assertOnceEach();
});

/** A read path over a flushed store, without threads: only memory answers. */
async function withoutThreads() {
  const simulation = new EngineSimulation();
  const store = await filled(simulation);
  await simulation.settle(store.close());
  const options = completeOptions(TINY_OPTIONS);
  const state = recover(
    simulation.fs,
    '/db',
    options,
    () => undefined,
    () => HASH_SEED,
  );
  const control = createControl();
  const epochs = new EpochDomain();
  const superVersions = new SuperVersions(control, epochs, state, {
    onTableUnused: () => undefined,
    onGenerationsUnused: () => undefined,
  });
  const arenas = new Arenas(control, options.memtableBytes, 4, HASH_SEED);
  arenas.begin(state.nextGeneration);
  const channel = new ReaderChannel(createRing(1 << 16), createRing(1 << 16), 2);
  channel.epoch = epochs.register(channel.requests);
  const cacheMemory = createBlockCacheMemory(4096, HASH_SEED);
  const cache = new BlockCache(cacheMemory, epochs);
  const nothing = (): void => undefined;
  const maxBytes = options.maxQueuedReadBytes;
  const words = new Int32Array(control);
  const blocking = new BlockingReads(simulation.fs, words, 4, cache, cacheMemory, arenas);
  // There is one, which does nothing.
  new RingConsumer(channel.requestRing);
  const channels = [channel];
  const starting = new StartingReads(simulation.clock, channels);
  const events = { onQueued: nothing, onUrgent: nothing, onDamage: nothing };
  const keys = new KeyCache(cache, keyCacheBytes(4096));
  const caller = new CallerReads(arenas, superVersions, cache, keys, blocking, HASH_SEED, nothing);
  const asked = new AskedReads(cache, channels, events);
  const reads = new ReadPath(superVersions, caller, asked, starting, maxBytes, maxBytes);
  const memtable = arenas.memtable(state.nextGeneration);
  const write = (i: number): void => {
    const written = record(1000 + i, 'newer');
    memtable.insert(key(i), 0, key(i).length, written, 0, written.length);
    memtable.publish();
  };
  return { reads, write, channel };
}

const CLOSED = new LsmError('CLOSED', 'closed');

test('a sink that closes while reads wait is told once, and so are those behind it', async () => {
  const { reads, write } = await withoutThreads();
  const answers: string[] = [];
  const onRead = (token: number, found: Uint8Array | null, error: Error | null): void => {
    answers[token] = (answers[token] ?? '') + (error === null ? 'found ' : 'closed ');
    if (found !== null) reads.close(CLOSED);
  };
  for (let i = 0; i < 5000; i++) reads.read(key(1 + (i % (KEYS - 1))), null, { onRead }, i);
  // One of those that wait: memory has its answer once its turn comes, and not before.
  reads.read(key(0), null, { onRead }, 5000);
  assert.equal(answers.length, 0);
  for (let i = 0; i < KEYS; i++) write(i);
  reads.drain();
  assert.equal(answers.length, 5001);
  assert.equal(answers.filter((answer) => answer === 'found ').length, 1);
  assert.equal(answers.filter((answer) => answer === 'closed ').length, 5000);
  assert.equal(reads.inFlight, 0);
});

test('a sink that closes while reads of a dead thread are asked again is told once, and so are the others', async () => {
  const { reads, write } = await withoutThreads();
  const answers: string[] = [];
  const onRead = (token: number, found: Uint8Array | null, error: Error | null): void => {
    answers[token] = (answers[token] ?? '') + (error === null ? 'found ' : 'closed ');
    if (found !== null) reads.close(CLOSED);
  };
  for (let i = 0; i < 100; i++) reads.read(key(i), null, { onRead }, i);
  assert.equal(answers.length, 0);
  for (let i = 0; i < KEYS; i++) write(i);
  reads.retry(0, new Error('a death'));
  assert.deepEqual(answers, ['found ', ...new Array(99).fill('closed ')]);
  assert.equal(reads.inFlight, 0);
});

// With places that are used again by number, the answer would go to whoever has the place now, as its own.
test('an answer that comes twice, or after its read was asked again, finds nobody', async () => {
  const { reads, channel } = await withoutThreads();
  const requests = new RingConsumer(channel.requestRing);
  const responses = new RingProducer(channel.responseRing);
  const answered: number[] = [];
  const sink = { onRead: (token: number): number => answered.push(token) };
  /** The tag of the request that the thread has got next. */
  const tagOfNext = (): number => {
    reads.publish();
    assert.ok(requests.nextRun(1));
    const tag = frameTag(requests.bytes, requests.runStart);
    requests.release();
    return tag;
  };
  const answer = (tag: number): void => {
    const at = responses.reserve(answerBytes(0));
    encodeAnswer(responses.bytes, at, AnswerStatus.absent, false, key(0), 0, 0);
    responses.push(tag);
    responses.publish();
    reads.drain();
  };
  reads.read(key(1), null, sink, 1);
  const first = tagOfNext();
  answer(first);
  reads.read(key(2), null, sink, 2);
  const second = tagOfNext();
  answer(first);
  assert.deepEqual(answered, [1]);
  reads.retry(0, new Error('a death'));
  const again = tagOfNext();
  answer(second);
  assert.deepEqual(answered, [1]);
  answer(again);
  assert.deepEqual(answered, [1, 2]);
  assert.equal(reads.inFlight, 0);
});

test('a report that throws keeps nothing from being tried again', async () => {
  const simulation = new EngineSimulation();
  simulation.reports.push = () => {
    throw new Error('the disk of the log is full');
  };
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, key(1), record(1, 'value')));
  let failures = 0;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation !== 'create' || failures === 2) return undefined;
    failures++;
    throw fileSystemError('EIO', operation, path);
  };
  await assert.rejects(simulation.settle(store.flush()), { code: 'IO_ERROR' });
  await simulation.settle(store.flush().catch(() => store.flush()));
  assert.equal(failures, 2);
  assert.equal(store.stats().tablesByLevel[0], 1);
  await simulation.settle(store.close());
});
