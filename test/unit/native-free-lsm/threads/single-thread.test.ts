/** Roles and jobs that have one thread: here the one of the test, which has main's part between two calls for files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { NO_CALL } from '../../../../native-free-lsm/call-table.ts';
import { KEEPS_ALL } from '../../../../native-free-lsm/compaction/retention.ts';
import { encodePut, putOperationBytes } from '../../../../native-free-lsm/log/write-operation.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { completeOptions, tableOptions } from '../../../../native-free-lsm/options.ts';
import { ControlWord, createControl } from '../../../../native-free-lsm/shared/control.ts';
import { createRing, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { WaitRecorder } from '../../../../native-free-lsm/shared/wait-recorder.ts';
import { WriteDeadlines } from '../../../../native-free-lsm/shared/write-deadlines.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { SyncOnMain } from '../../../../native-free-lsm/threads/main-synced-fs.ts';
import { decodeError } from '../../../../native-free-lsm/threads/protocol/errors.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  GivenTask,
  SyncCall,
  SyncEnd,
  TaskEnd,
  ThreadTask,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { encodeWake, WAKE_BYTES } from '../../../../native-free-lsm/threads/protocol/reader-messages.ts';
import { SingleThread } from '../../../../native-free-lsm/threads/single-thread.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { record } from '../../../support/engine-calls.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const OPTIONS = completeOptions({
  durability: 'none',
  maxRecordBytes: 1 << 10,
  memtableBytes: 64 << 10,
  singleThread: true,
});
const TABLE = tableOptions(OPTIONS, false, HASH_SEED);
const WRITER = 1;
const READER = 2;
const JOB = 3;
const URGENT_JOB = 4;

/** A disk on which the syncs of tables are somebody else's. */
class TableSyncs extends MemoryFileSystem {
  /** In place of the next sync of a table. */
  onTableSync: ((fd: number) => void) | undefined;
  readonly #tables = new Set<number>();

  override createSync(path: string): number {
    const fd = super.createSync(path);
    if (path.endsWith('.sst.tmp')) this.#tables.add(fd);
    return fd;
  }

  override fdatasyncSync(fd: number): void {
    const { onTableSync } = this;
    if (onTableSync === undefined || !this.#tables.has(fd)) {
      super.fdatasyncSync(fd);
      return;
    }
    this.onTableSync = undefined;
    onTableSync(fd);
  }
}

/** Main's end of a thread, and the thread, which runs when `run` is called. */
class MainByHand {
  readonly fs = new TableSyncs();
  /** What the thread calls to have main make a sync. */
  sync: SyncOnMain | undefined;
  readonly clock = new FakeClock();
  readonly words: Int32Array;
  /** What the thread has asked for. */
  readonly syncs: SyncCall[] = [];
  readonly #control = createControl();
  readonly #port: MessagePort;
  readonly #thread: SingleThread;
  readonly #requests: RingProducer;
  readonly #reads: RingProducer;
  readonly #rolePorts: MessagePort[] = [];
  #timestamp = 0;

  constructor() {
    this.fs.makeDirectorySync('db');
    this.words = new Int32Array(this.#control);
    Atomics.store(this.words, ControlWord.notedGeneration, 1);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const waits = WaitRecorder.detached(this.clock);
    const tableFiles = (sync: SyncOnMain) => {
      this.sync = sync;
      return this.fs;
    };
    const files = { logFiles: this.fs, tableFiles };
    this.#thread = new SingleThread({
      control: this.#control,
      port: port2,
      ...files,
      waits,
      clock: this.clock,
    });
    const rings = { requests: createRing(64 << 10), responses: createRing(64 << 10) };
    this.#requests = new RingProducer(rings.requests);
    const common = { directory: 'db', options: OPTIONS, control: this.#control, hashSeed: HASH_SEED };
    const arena = createArena(OPTIONS.memtableBytes, HASH_SEED);
    new Memtable(arena).reset(1);
    const role = { ...common, arenas: [arena] };
    const deadlines = WriteDeadlines.allocate(16);
    new WriteDeadlines(deadlines).set(0, Number.POSITIVE_INFINITY);
    const writer = { ...role, ...rings, thread: 1, generation: 1, arena: 0, deadlines };
    this.give(WRITER, { role: 'writer', init: writer, port: this.#rolePort() });
    const cache = createBlockCacheMemory(64 << 10, HASH_SEED);
    const ofReader = { requests: createRing(4096), responses: createRing(256 << 10) };
    this.#reads = new RingProducer(ofReader.requests);
    const reader = { ...role, ...ofReader, thread: 2, number: 1, cache };
    this.give(READER, { role: 'reader', init: reader, port: this.#rolePort() });
  }

  #rolePort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#rolePorts.push(port1);
    return port2;
  }

  give(id: number, task: ThreadTask): void {
    this.#post({ id, task }, 'port' in task ? [task.port] : []);
  }

  endSync(end: SyncEnd): void {
    this.#post(end, []);
  }

  #post(message: GivenTask | SyncEnd, transferList: MessagePort[]): void {
    this.#port.postMessage(message, transferList);
    Atomics.add(this.words, ControlWord.tasksPosted, 1);
    this.#ring();
  }

  giveJob(id: number, job: BackgroundJob['job']): void {
    this.give(id, { role: 'background', job: { job, control: this.#control, memory: [] } });
  }

  put(): void {
    const key = Buffer.from('key');
    const value = record(++this.#timestamp, '');
    encodePut(
      this.#requests.bytes,
      this.#requests.reserve(putOperationBytes(key.length, value.length)),
      key,
      value,
    );
    this.#requests.push(0);
    this.#requests.publish();
    this.#ring();
  }

  wakeReader(): void {
    encodeWake(this.#reads.bytes, this.#reads.reserve(WAKE_BYTES));
    this.#reads.push(NO_CALL);
    this.#reads.publish();
    this.#ring();
  }

  /** How many writes have been done. */
  get written(): number {
    return this.#requests.framesCompleted;
  }

  /** Makes a role throw at its next look at its messages. */
  spoil(role: typeof WRITER | typeof READER): void {
    this.#rolePorts[role - 1].postMessage({ type: 'arena', index: 0, arena: new SharedArrayBuffer(8) });
    Atomics.add(this.words, ControlWord.superVersionEpoch, 1);
    this.#ring();
  }

  stop(): void {
    Atomics.store(this.words, ControlWord.stop, 1);
    this.#ring();
  }

  /** Runs the thread until it is told to stop, and returns what it has said, in its order. */
  run(): TaskEnd[] {
    this.#thread.run();
    const said: TaskEnd[] = [];
    for (
      let end = receiveMessageOnPort(this.#port);
      end !== undefined;
      end = receiveMessageOnPort(this.#port)
    )
      if ('sync' in end.message) this.syncs.push(end.message as SyncCall);
      else said.push(end.message as TaskEnd);
    return said;
  }

  close(): void {
    this.#port.close();
    for (const port of this.#rolePorts) port.close();
  }

  #ring(): void {
    Atomics.add(this.words, ControlWord.requestBell, 1);
  }
}

/** The flush of a memtable with so many entries. */
function flushOf(entries: number, fileId: number): BackgroundJob['job'] {
  const arena = createArena(1 << 20, HASH_SEED);
  const memtable = new Memtable(arena);
  memtable.reset(1);
  for (let entry = 0; entry < entries; entry++) {
    const key = Buffer.from(String(entry).padStart(6, '0'));
    const value = record(1, 'value');
    memtable.insert(key, 0, key.length, value, 0, value.length);
  }
  memtable.publish();
  return {
    type: 'flush',
    directory: 'db',
    arena,
    generation: 1,
    findsSlots: false,
    fileIds: [fileId],
    targetFileBytes: 1 << 20,
    table: TABLE,
    nowMs: 0,
  };
}

test('writes that come while a job runs are done before it ends', () => {
  const main = new MainByHand();
  let writtenByTheEnd = 0;
  main.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.endsWith('.tmp')) main.put();
    if (operation !== 'rename') return;
    writtenByTheEnd = main.written;
    main.stop();
  };
  main.giveJob(JOB, flushOf(1000, 7));
  const said = main.run();
  assert.equal(writtenByTheEnd, 1);
  assert.deepEqual(
    said.map(({ id }) => id),
    [JOB, WRITER, READER],
  );
  assert.equal((said[0].answer as BackgroundResult).tables[0].metadata.entries, 1000);
  main.close();
});

test('a writer that has no room gives its turn back to the job that makes some', () => {
  const main = new MainByHand();
  main.fs.onCall = ({ operation, path }) => {
    // No arena is offered for the next memtable.
    if (operation === 'create' && path.endsWith('.tmp')) {
      Atomics.add(main.words, ControlWord.sealRequests, 1);
      main.put();
    }
    if (operation === 'rename') main.stop();
  };
  main.put();
  main.giveJob(JOB, flushOf(1000, 7));
  const said = main.run();
  assert.equal(said[0].id, JOB);
  assert.deepEqual(
    said.map(({ fault }) => fault),
    [undefined, undefined, undefined],
  );
  assert.equal(main.written, 2);
  main.close();
});

/** A table of 1000 entries in the folder of a thread, and the job that writes it anew with the number 8. */
function mergeIn(main: MainByHand): BackgroundJob['job'] {
  const first = new MainByHand();
  first.fs.onCall = ({ operation }) => void (operation === 'rename' && first.stop());
  first.giveJob(JOB, flushOf(1000, 7));
  const { tables } = first.run()[0].answer as BackgroundResult;
  first.close();
  const file = first.fs.openReadSync('db/000007.sst');
  const bytes = Buffer.alloc(first.fs.sizeSync('db/000007.sst'));
  first.fs.readSync(file, bytes, 0, bytes.length, 0);
  main.fs.writeSync(main.fs.createSync('db/000007.sst'), [bytes], 0);
  const spec = { directory: 'db', outputLevel: 1, fileIds: [8], targetFileBytes: 1 << 20, table: TABLE };
  return { type: 'merge', spec: { ...spec, ...KEEPS_ALL, nowMs: 0, inputs: tables, damaged: [] } };
}

test('a flush that is asked for while tables are merged does not wait for the end of that', () => {
  const main = new MainByHand();
  const merge = mergeIn(main);
  let renames = 0;
  main.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.includes('000008')) main.giveJob(URGENT_JOB, flushOf(500, 9));
    if (operation === 'rename' && ++renames === 2) main.stop();
  };
  main.giveJob(JOB, merge);
  const said = main.run();
  assert.deepEqual(
    said.slice(0, 2).map(({ answer, id }) => [id, (answer as BackgroundResult).tables[0].metadata.entries]),
    [
      [URGENT_JOB, 500],
      [JOB, 1000],
    ],
  );
  main.close();
});

for (const [name, role, other] of [
  ['writer', WRITER, READER],
  ['reader', READER, WRITER],
] as const) {
  test(`a ${name} that throws ends alone, also out of a job`, () => {
    const main = new MainByHand();
    main.fs.onCall = ({ operation, path }) => {
      if (operation === 'create' && path.endsWith('.tmp')) {
        main.spoil(role);
        if (role === WRITER) main.put();
        else main.wakeReader();
      }
      if (operation === 'rename') main.stop();
    };
    main.giveJob(JOB, flushOf(1000, 7));
    const said = main.run();
    const ends = new Map(said.map((end) => [end.id, end]));
    assert.deepEqual([...ends.keys()].toSorted(), [WRITER, READER, JOB]);
    assert.equal(said[0].id, role);
    assert.equal(typeof said[0].fault, 'string');
    assert.equal((ends.get(JOB) as { answer: BackgroundResult }).answer.tables.length, 1);
    assert.equal(ends.get(other)?.fault, undefined);
    main.close();
  });
}

test('a writer that compaction slows down rests after each run, and jobs do not', () => {
  const main = new MainByHand();
  Atomics.store(main.words, ControlWord.slowdownMicros, 1000);
  const written: number[] = [];
  main.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.endsWith('.tmp')) {
      main.put();
      main.put();
    }
    if (operation !== 'rename') return;
    written.push(main.written);
    Atomics.store(main.words, ControlWord.slowdownMicros, 0);
    main.clock.advance(1);
    main.stop();
  };
  main.put();
  main.giveJob(JOB, flushOf(1000, 7));
  main.run();
  written.push(main.written);
  assert.deepEqual(written, [1, 3]);
  main.close();
});

test('what a writer waits for without a bell is looked for in each job, whatever was due in the one before', () => {
  const main = new MainByHand();
  Atomics.store(main.words, ControlWord.notedGeneration, 0);
  let renames = 0;
  let writtenByTheEnd = 0;
  main.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.includes('000009')) {
      Atomics.store(main.words, ControlWord.notedGeneration, 1);
      main.clock.advance(2);
    }
    if (operation !== 'rename') return;
    renames++;
    // Nothing was due for long.
    if (renames === 1) {
      main.put();
      main.giveJob(URGENT_JOB, flushOf(1000, 9));
      return;
    }
    writtenByTheEnd = main.written;
    main.stop();
  };
  main.giveJob(JOB, flushOf(1000, 7));
  main.run();
  assert.equal(writtenByTheEnd, 1);
  main.close();
});

test('while main syncs a table, writes are done', () => {
  const main = new MainByHand();
  let writtenByTheEnd = 0;
  let isSyncing = false;
  main.fs.onTableSync = (fd) => {
    isSyncing = true;
    main.put();
    main.sync?.(fd);
    isSyncing = false;
    writtenByTheEnd = main.written;
  };
  main.fs.onCall = ({ operation, path }) => {
    if (isSyncing && operation === 'write' && path.endsWith('.log')) main.endSync({ sync: 1 });
    if (operation === 'rename') main.stop();
  };
  main.giveJob(JOB, flushOf(10, 7));
  const said = main.run();
  assert.equal(writtenByTheEnd, 1);
  assert.equal((said[0].answer as BackgroundResult).tables[0].metadata.entries, 10);
  assert.deepEqual(
    main.syncs.map(({ sync, target }) => [sync, typeof target]),
    [[1, 'number']],
  );
  main.close();
});

test('a flush that is asked for while main syncs a table of a merge does not wait for that', () => {
  const main = new MainByHand();
  const merge = mergeIn(main);
  main.fs.onTableSync = (fd) => {
    main.giveJob(URGENT_JOB, flushOf(500, 9));
    main.sync?.(fd);
  };
  const renamed: string[] = [];
  main.fs.onCall = ({ operation, path }) => {
    if (operation !== 'rename') return;
    renamed.push(path);
    if (renamed.length === 1) main.endSync({ sync: 1 });
    else main.stop();
  };
  main.giveJob(JOB, merge);
  const said = main.run();
  assert.deepEqual(
    said.slice(0, 2).map(({ answer, id }) => [id, (answer as BackgroundResult).tables[0].metadata.entries]),
    [
      [URGENT_JOB, 500],
      [JOB, 1000],
    ],
  );
  assert.ok(renamed[0].includes('000009') && renamed[1].includes('000008'));
  main.close();
});

test('a job whose sync main could not make fails with its error, and leaves no table', () => {
  const main = new MainByHand();
  main.fs.onTableSync = (fd) => {
    const failure = { code: 'ENOSPC', message: 'no space left', syscall: 'fdatasync' };
    main.endSync({ sync: 1, failure });
    main.stop();
    main.sync?.(fd);
  };
  main.giveJob(JOB, flushOf(10, 7));
  const [{ answer }] = main.run();
  assert.equal(decodeError(answer as Uint8Array).code, 'NO_SPACE');
  assert.deepEqual(
    main.fs.listSync('db').filter((name) => name.includes('.sst')),
    [],
  );
  main.close();
});
