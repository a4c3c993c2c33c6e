/**
 * FolderFiles in memory that know what is durable: bytes once `write` has synced them, names after `syncFolder`. A
 * power cut at any call may keep or lose unsynced names and bytes, each independently.
 */
import type { FolderFiles } from '../../src/replica/folder-files.ts';

interface StoredFile {
  bytes: Uint8Array;
  durableBytes: Uint8Array;
}

interface StoredFolder {
  names: Map<string, StoredFile>;
  durableNames: Map<string, StoredFile>;
}

const NOTHING = new Uint8Array(0);

/** @param syscall the call that failed, as the system names it */
function nodeError(code: string, syscall = ''): Error {
  return Object.assign(new Error(`${code}: planted`), { code, syscall });
}

export class MemoryFolderFiles implements FolderFiles {
  readonly #folders = new Map<string, StoredFolder>();
  /** The calls that change something, by name, in order. */
  readonly calls: string[] = [];
  /** The call with this number (from 0) has half its effect and fails, and so do all calls after it. */
  failAt = Number.POSITIVE_INFINITY;
  failure = 'EIO';

  makeFolder(path: string): Promise<void> {
    return this.#step('makeFolder', () => {
      if (!this.#folders.has(path)) this.#folders.set(path, { names: new Map(), durableNames: new Map() });
    });
  }

  async list(path: string): Promise<string[] | null> {
    const folder = this.#folders.get(path);
    return folder === undefined ? null : [...folder.names.keys()];
  }

  async read(path: string): Promise<Uint8Array | null> {
    return this.#file(path)?.bytes ?? null;
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    const { folder, name } = this.#place(path);
    const file = folder.names.get(name) ?? { bytes: NOTHING, durableBytes: NOTHING };
    const before = file.durableBytes;
    return this.#step(
      'write',
      () => {
        folder.names.set(name, file);
        file.bytes = Uint8Array.from(bytes);
        file.durableBytes = file.bytes;
      },
      () => {
        folder.names.set(name, file);
        file.bytes = bytes.slice(0, bytes.length >> 1);
        file.durableBytes = before;
      },
    );
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    const { folder, name } = this.#place(path);
    const temporary = { bytes, durableBytes: bytes };
    let isMade = false;
    await this.#step('create', () => {
      if (folder.names.has(name)) return;
      folder.names.set(name, temporary);
      isMade = true;
    });
    return isMade;
  }

  async makePrivate(): Promise<null> {
    return null;
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step('rename', () => {
      const source = this.#place(from);
      const file = source.folder.names.get(source.name);
      if (file === undefined) throw nodeError('ENOENT');
      source.folder.names.delete(source.name);
      const target = this.#place(to);
      target.folder.names.set(target.name, file);
    });
  }

  remove(path: string): Promise<void> {
    return this.#step('remove', () => {
      const { folder, name } = this.#place(path);
      folder.names.delete(name);
    });
  }

  syncFolder(path: string): Promise<void> {
    return this.#step('syncFolder', () => {
      const folder = this.#folders.get(path);
      if (folder === undefined) throw nodeError('ENOENT');
      folder.durableNames = new Map(folder.names);
    });
  }

  /** Puts a durable file there, without counting a call. */
  put(path: string, bytes: Uint8Array): void {
    const folderPath = path.slice(0, path.lastIndexOf('/'));
    if (!this.#folders.has(folderPath))
      this.#folders.set(folderPath, { names: new Map(), durableNames: new Map() });
    const { folder, name } = this.#place(path);
    folder.names.set(name, { bytes, durableBytes: bytes });
    folder.durableNames = new Map(folder.names);
  }

  /** What a power cut now leaves on the disk. */
  afterPowerCut(keepNames: boolean, keepBytes: boolean): MemoryFolderFiles {
    const left = new MemoryFolderFiles();
    for (const [path, folder] of this.#folders) {
      const names = new Map<string, StoredFile>();
      for (const [name, file] of keepNames ? folder.names : folder.durableNames) {
        const bytes = keepBytes ? file.bytes : file.durableBytes;
        names.set(name, { bytes, durableBytes: bytes });
      }
      left.#folders.set(path, { names, durableNames: new Map(names) });
    }
    return left;
  }

  async #step(call: string, effect: () => void, halfEffect: () => void = () => {}): Promise<void> {
    const number = this.calls.push(call) - 1;
    // A disk operation never ends in the turn that began it.
    await Promise.resolve();
    if (number < this.failAt) {
      effect();
      return;
    }
    if (number === this.failAt) halfEffect();
    throw nodeError(this.failure, call === 'syncFolder' ? 'fsync' : call);
  }

  #place(path: string): { folder: StoredFolder; name: string } {
    const slash = path.lastIndexOf('/');
    const folder = this.#folders.get(path.slice(0, slash));
    if (folder === undefined) throw nodeError('ENOENT');
    return { folder, name: path.slice(slash + 1) };
  }

  #file(path: string): StoredFile | undefined {
    const slash = path.lastIndexOf('/');
    return this.#folders.get(path.slice(0, slash))?.names.get(path.slice(slash + 1));
  }
}
