/**
 * Opens a node's data folder: its identity, and the engine below it, whose lock keeps others out of both. What was
 * opened is closed again where the start fails.
 */
import { join } from 'node:path';
import {
  drawHashSeed,
  type FileSystem,
  LsmError,
  NodeFileSystem,
  RecordStore,
  recordSizeBytes,
} from '../../native-free-lsm/index.ts';
import { type Clock, systemBytes, systemRandom } from '../clock.ts';
import { fingerprintSeedOf, SLOT_COUNT } from '../cluster/slots.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import { BurialTime } from '../expiry.ts';
import type { Log } from '../log.ts';
import { makePrivate } from '../replica/folder-privacy.ts';
import { claimFolder, ENGINE_FOLDER, hasHeldData, inspectFolder } from '../replica/identity.ts';
import { randomStartId } from '../replica/identity-file.ts';
import { IdentityStore } from '../replica/identity-store.ts';
import { MAX_OWN_VALUE_BYTES } from '../replica/own-records.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import { MAX_CLIENT_KEY_BYTES } from '../services.ts';
import { passIfRefused } from './identity.ts';
import type { NodeOptions, OpenStorage } from './options.ts';
import { NODE_TABLES } from './table-options.ts';

/** Closes what was opened. Why the start failed is what counts: another fault while closing is said in the log. */
export async function failStart(cause: unknown, log: Log, close: () => Promise<void>): Promise<never> {
  try {
    await close();
  } catch (error) {
    if (error !== cause) log.error(`What the start had opened did not close: ${errorMessage(error)}`);
  }
  throw cause;
}

export interface DataFolder {
  readonly engine: StorageEngine;
  readonly store: IdentityStore;
  /** For each slot, up to which timestamp the engine may drop what was deleted. */
  readonly watermarks: SharedArrayBuffer;
  /** When the engine turns expired values into deletions. */
  readonly burial: BurialTime;
}

/** Nothing is written to the identity once the engine's lock is given back. */
export async function closeDataFolder(
  engine: StorageEngine,
  store: IdentityStore | undefined,
): Promise<void> {
  try {
    await store?.settled();
  } finally {
    await engine.close();
  }
}

export async function openDataFolder(options: NodeOptions, clock: Clock): Promise<DataFolder> {
  const { clusterId, dataDirectory, nodeId, settings } = options;
  const { fs = new NodeFileSystem(), random = systemRandom } = options;
  const owner = { clusterId, nodeId };
  const before = inspectFolder(fs, dataDirectory, owner);
  if (before === null) {
    const fresh = { ...owner, nowMs: clock.nowMs(), random, whole: 'unproven', clockCeiling: 0 } as const;
    claimFolder(fs, dataDirectory, fresh);
  }
  const notice = makePrivate(fs, dataDirectory);
  if (notice !== null) options.log.warn(notice);
  const openStorage = options.openStorage ?? engineOpener(options, clock, fs);
  const watermarks = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
  const burial = new BurialTime();
  const engine = await openStorage(
    join(dataDirectory, ENGINE_FOLDER),
    settings,
    before === null || !hasHeldData(before),
    watermarks,
    () => burial.nowMs(),
  );
  let store: IdentityStore | undefined;
  try {
    // Read again now that the engine's lock is held: a node that held it may have raised the clock's ceiling meanwhile.
    const identity = inspectFolder(fs, dataDirectory, owner);
    if (identity === null)
      throw new QuorateError('STORAGE', `${dataDirectory} was emptied while the node started`);
    store = new IdentityStore(fs, dataDirectory, identity, clock);
    // The identity knows of a record that is not there: this is another engine's folder, or an older copy of it.
    if (engine.newestTimestamp < identity.newestTimestamp) {
      const declaredMs = Math.max(Math.floor(clock.nowMs()), identity.declaredMs + 1);
      await store.update({ whole: 'incomplete', declaredMs }).catch(passIfRefused(store));
    }
    // On a disk that is full or mounted read-only the node serves what it has: see node/identity.ts.
    await store.begin(randomStartId(random)).catch(passIfRefused(store));
    return { engine, store, watermarks, burial };
  } catch (error) {
    return failStart(error, options.log, () => closeDataFolder(engine, store));
  }
}

/** Opens the engine that a node has unless it is given another. */
export function engineOpener(options: NodeOptions, clock: Clock, fs: FileSystem): OpenStorage {
  const { doors, drawBytes = systemBytes, executor, log } = options;
  return async (directory, settings, createIfMissing, watermarks, expiryNowMs) => {
    const maxValueBytes = Math.max(settings.maxValueBytes, MAX_OWN_VALUE_BYTES);
    const maxRecordBytes = MAX_CLIENT_KEY_BYTES + recordSizeBytes(maxValueBytes, true);
    const engineOptions = {
      ...NODE_TABLES,
      createIfMissing,
      durability: settings.durability,
      syncIntervalMs: settings.syncIntervalMs,
      maxRecordBytes,
      // A node writes no batches: no memory for them.
      maxBatchBytes: maxRecordBytes,
      // The settings allow for two largest values, the engine asks for two largest records.
      memtableBytes: Math.max(settings.memtableBytes, Math.ceil((2 * maxRecordBytes) / 8) * 8),
      blockCacheBytes: settings.blockCacheBytes,
      bottomCompression: settings.compression,
      readers: Math.max(1, settings.readers),
      // A node has a machine, and its reads wait for no flush.
      singleThread: false,
      entryEncoders: doors.flatMap(({ entryEncoders }) => entryEncoders),
      writeStallTimeoutMs: settings.requestTimeoutMs,
      fingerprintSeed: fingerprintSeedOf(options.clusterId),
      // What was deleted here may still be on another node, and would come back from there: unless a watermark says not.
      dropTombstonesBelow: 0,
      watermarks,
    };
    try {
      return RecordStore.open(directory, engineOptions, {
        fs,
        clock,
        expiryNowMs,
        ...(executor === undefined ? {} : { executor }),
        drawHashSeed: () => drawHashSeed(drawBytes),
        report: (message) => log.warn(message),
      });
    } catch (error) {
      // The engine's sentences say what to do as well.
      if (!(error instanceof LsmError)) throw error;
      const lost =
        error.code === 'NOT_FOUND'
          ? '. If it is lost, empty the whole data folder: the node then starts as a new one, and its peers know that it was not'
          : '';
      throw new QuorateError('STORAGE', `${error.message}${lost}`, error);
    }
  };
}
