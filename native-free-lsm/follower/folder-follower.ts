import { join } from 'node:path';
import { corruption, LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { refuseForeign, refuseHalfCheckpoint, refuseHalfRepaired } from '../store/folder-checks.ts';
import { readCurrent } from '../version/current-file.ts';
import { CURRENT_FILE_NAME, manifestFileName } from '../version/file-names.ts';
import { folderContents } from '../version/folder-contents.ts';
import { type ManifestState, readManifest, recoverManifest } from '../version/manifest-reader.ts';
import { FollowedLog, LogLook } from './followed-log.ts';
import type { MemtableChain } from './memtable-chain.ts';
import type { OpenTables } from './open-tables.ts';

/** What was read of a manifest, and how to see that nothing has come since. */
export interface FollowedManifest extends ManifestState {
  readonly number: number;
  readonly sizeBytes: number;
  readonly tornBytes: number;
}

/** How often a view is tried. Each attempt goes on from what the one before has read. */
const MAX_ATTEMPTS = 20;

/**
 * Follows a folder that another process may be writing, by reading alone: it takes no lock and changes nothing.
 *
 * A view is the manifest in force, the tables that it names, and the logs that are not in these. They are read one after
 * another while the writer goes on; what makes them one moment is that the manifest is the same after the last log was
 * read as before the first table. Until then no log from its oldest on has gone, each but the last has its end, and
 * the last has at any time what was written up to then, so this is what the writer's own start would have found just
 * there. (Idea: RocksDB's secondary instances, which replay MANIFEST and logs; the second look is that of a seqlock.)
 */
export class FolderFollower {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #tables: OpenTables;
  readonly #chain: MemtableChain;
  readonly #logs = new Map<number, FollowedLog>();
  /** The manifest of the last view. */
  #shown: FollowedManifest | undefined;
  /** The last manifest that was read. */
  #manifest: FollowedManifest | undefined;
  #shownTimestamp = 0;
  #isRestarted = false;

  constructor(fs: FileSystem, directory: string, tables: OpenTables, chain: MemtableChain) {
    this.#fs = fs;
    this.#directory = directory;
    this.#tables = tables;
    this.#chain = chain;
  }

  /**
   * Takes what the writer has done since: opens its tables and inserts what its logs say, for the caller to publish. It
   * yields now and then; nothing of it is shown until it has returned.
   * @throws LsmError NOT_FOUND, FOREIGN_DIRECTORY, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, OVERLOADED; CHANGING;
   *   REPLACED. Another attempt goes on from there
   */
  *follow(): Generator<void, FollowedManifest, void> {
    let last: { readonly fault: LsmError; readonly seen: string } | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        const manifest = this.#readManifest();
        yield* this.#openTables(manifest);
        yield* this.#readLogs(manifest);
        if (this.#isInForce(manifest)) return this.#show(manifest);
        last = undefined;
      } catch (cause) {
        const fault = ioFailure('read', this.#directory, cause);
        if (!mayPass(fault)) throw fault;
        // Whoever writes may have removed what was being read, and its manifest said so before.
        const seen = `${this.#manifest?.number} ${this.#manifest?.sizeBytes} ${fault.message}`;
        if (last?.seen === seen) throw fault;
        last = { fault, seen };
      }
      yield;
    }
    const message = `${this.#directory} is written too fast for a view of it to be taken: try again`;
    throw new LsmError('CHANGING', message, { file: this.#directory, cause: last?.fault });
  }

  #readManifest(): FollowedManifest {
    const fs = this.#fs;
    // Before CURRENT is read: that of LevelDB has the same name.
    if (this.#manifest === undefined) folderContents(fs, this.#directory);
    const number = readCurrent(fs, this.#directory);
    if (number === undefined) throw this.#missing();
    const path = join(this.#directory, manifestFileName(number));
    const known = this.#manifest;
    if (known?.number === number && known.tornBytes === 0 && fs.sizeSync(path) === known.sizeBytes)
      return known;
    const contents = folderContents(fs, this.#directory);
    refuseHalfCheckpoint(contents);
    refuseHalfRepaired(contents);
    const { begunGeneration, endOffset, nextFileId, oldestGeneration, tornBytes, version } = readManifest(
      fs,
      path,
      number,
    );
    const sizeBytes = endOffset + tornBytes;
    const numbers = { begunGeneration, nextFileId, oldestGeneration };
    const read = { number, sizeBytes, tornBytes, version, ...numbers };
    this.#refuseAnother(read);
    // An edit that could not be synced was seen, and then another came in its place: logs count again that did not.
    if (known !== undefined && oldestGeneration < known.oldestGeneration) this.#restart();
    this.#manifest = read;
    return read;
  }

  #missing(): LsmError {
    if (this.#shown !== undefined) return replaced(this.#directory, `there is no ${CURRENT_FILE_NAME}`);
    const contents = folderContents(this.#fs, this.#directory);
    refuseForeign(contents);
    refuseHalfCheckpoint(contents);
    refuseHalfRepaired(contents);
    // It refuses a folder whose CURRENT alone is missing.
    recoverManifest(this.#fs, this.#directory);
    const message = this.#fs.existsSync(this.#directory)
      ? `no engine has stored anything in ${this.#directory}: open it when its writer has begun`
      : `there is no directory ${this.#directory}: name one that an engine writes`;
    return new LsmError('NOT_FOUND', message, { file: this.#directory });
  }

  /** @throws LsmError REPLACED: numbers never go back in the life of a folder */
  #refuseAnother({ begunGeneration, number }: FollowedManifest): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    if (number < shown.number)
      throw replaced(this.#directory, `its manifest is number ${number}, and was ${shown.number}`);
    if (begunGeneration < shown.begunGeneration)
      throw replaced(
        this.#directory,
        `its last log is number ${begunGeneration}, and was ${shown.begunGeneration}`,
      );
  }

  #isInForce({ number, sizeBytes }: FollowedManifest): boolean {
    const path = join(this.#directory, manifestFileName(number));
    return readCurrent(this.#fs, this.#directory) === number && this.#fs.sizeSync(path) === sizeBytes;
  }

  *#openTables({ version }: FollowedManifest): Generator<void, void, void> {
    for (const metadata of version.tables) {
      const isNew = !this.#tables.has(metadata.id);
      this.#tables.open(metadata);
      if (isNew) yield;
    }
  }

  /**
   * A log that no mark of the one before and no edit calls begun has nothing that counts, so the first of these is the
   * end.
   */
  *#readLogs({ begunGeneration, oldestGeneration }: FollowedManifest): Generator<void, void, void> {
    for (const generation of this.#logs.keys())
      if (generation < oldestGeneration) this.#logs.delete(generation);
    this.#chain.dropBefore(oldestGeneration);
    let isContinued = false;
    for (let generation = oldestGeneration; generation <= begunGeneration || isContinued; generation++) {
      let log = this.#logs.get(generation);
      if (log === undefined) {
        log = new FollowedLog(this.#fs, this.#directory, generation);
        this.#logs.set(generation, log);
      }
      this.#chain.beginLog(log);
      const look = yield* this.#readLog(log);
      if (look === LogLook.another) throw replaced(this.#directory, `${log.path} is another log than before`);
      if (look === LogLook.unmarked) {
        this.#restart();
        throw corruption(log.path, 0, 'bytes follow what was its end');
      }
      isContinued = log.isContinued;
    }
  }

  *#readLog(log: FollowedLog): Generator<void, LogLook, void> {
    try {
      return yield* log.read(this.#chain.insert, true);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
      throw corruption(log.path, 0, 'the file is missing: it was begun, and writes may be lost with it');
    }
  }

  /** All logs are read again from their beginnings. */
  #restart(): void {
    this.#logs.clear();
    this.#chain.restart();
    this.#isRestarted = true;
  }

  #show(manifest: FollowedManifest): FollowedManifest {
    const timestamp = Math.max(manifest.version.largestTimestamp, this.#chain.insertedTimestamp);
    if (this.#isRestarted && timestamp < this.#shownTimestamp)
      throw replaced(this.#directory, 'it lacks writes that it had');
    this.#shownTimestamp = timestamp;
    this.#isRestarted = false;
    this.#shown = manifest;
    return manifest;
  }
}

/** Whether it may be that the folder was changed while it was read. */
function mayPass({ code }: LsmError): boolean {
  return code === 'CORRUPTION' || code === 'IO_ERROR';
}

function replaced(directory: string, what: string): LsmError {
  const message =
    `${directory} is not the folder that was opened (${what}): ` +
    'it was emptied, repaired, or put back from a copy; open it again';
  return new LsmError('REPLACED', message, { file: directory });
}
