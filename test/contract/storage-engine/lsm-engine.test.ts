import type { PageRequest, ReadSink } from '../../../native-free-lsm/index.ts';
import { RecordStore } from '../../../native-free-lsm/index.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { ENTRY_ENCODER_MODULES } from '../../../src/http/entry-encoding.ts';
import type { RangePage, StorageEngine } from '../../../src/replica/storage-engine.ts';
import { storageEngineContract } from './contract.ts';

/** As a replicated node has them: deletions stay. */
const OPTIONS = { memtableBytes: 4 << 20, dropTombstonesBelow: 0, entryEncoders: ENTRY_ENCODER_MODULES };

storageEngineContract('LSM in threads', async (directory) => RecordStore.open(directory, OPTIONS), 10);

storageEngineContract(
  'LSM in a single thread',
  async (directory) => RecordStore.open(directory, { ...OPTIONS, singleThread: true }),
  10,
);

const disks = new Map<string, MemoryFileSystem>();

function openInline(directory: string): RecordStore {
  const fs = disks.get(directory) ?? new MemoryFileSystem();
  disks.set(directory, fs);
  const executor = (context: ConstructorParameters<typeof InlineExecutor>[0]) => new InlineExecutor(context);
  return RecordStore.open('/store', OPTIONS, { fs, executor });
}

storageEngineContract('LSM on one thread', async (directory) => openInline(directory));

/** Puts everything into tables before it reads, so that it finds on disk what the other two find in memtables. */
class ReadsFromTables implements StorageEngine {
  readonly #store: RecordStore;
  #isClosed = false;

  constructor(store: RecordStore) {
    this.#store = store;
  }

  read(key: Uint8Array, sink: ReadSink, token: number): void {
    this.#flush().then(
      () => this.#store.read(key, sink, token),
      (error: Error) => sink.onRead(token, null, error),
    );
  }

  async rangePage(request: PageRequest): Promise<RangePage> {
    await this.#flush();
    return this.#store.rangePage(request);
  }

  write: StorageEngine['write'] = (key, record, sink, token) => this.#store.write(key, record, sink, token);
  writeBatch: StorageEngine['writeBatch'] = (puts, sink, token) => this.#store.writeBatch(puts, sink, token);
  stats = () => this.#store.stats();

  ingest: StorageEngine['ingest'] = (request) => this.#store.ingest(request);
  slotDigests: StorageEngine['slotDigests'] = async (slots, minFroms, signal) => {
    await this.#flush();
    return this.#store.slotDigests(slots, minFroms, signal);
  };

  slotVersions: StorageEngine['slotVersions'] = async (slot, signal) => {
    await this.#flush();
    return this.#store.slotVersions(slot, signal);
  };

  slotRecords: StorageEngine['slotRecords'] = async (slot, fingerprints, maxBytes, signal) => {
    await this.#flush();
    return this.#store.slotRecords(slot, fingerprints, maxBytes, signal);
  };

  sync(): Promise<void> {
    return this.#store.sync();
  }

  purge(): void {
    this.#store.purge();
  }

  get newestTimestamp(): number {
    return this.#store.newestTimestamp;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#store.close();
  }

  async #flush(): Promise<void> {
    if (!this.#isClosed) await this.#store.flush();
  }
}

storageEngineContract('LSM from tables', async (directory) => new ReadsFromTables(openInline(directory)));
