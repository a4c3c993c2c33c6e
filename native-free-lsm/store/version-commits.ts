import type { FileSystem } from '../fs/file-system.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { Manifest } from '../version/manifest.ts';
import type { VersionEdit } from '../version/version.ts';
import type { LockWatch } from './lock-watch.ts';
import type { SuperVersions } from './super-versions.ts';

/**
 * Makes what background jobs have written the new version: first in the manifest, then as the current super-version. It
 * also gives out the numbers of files, which no two jobs and no two attempts share.
 */
export class VersionCommits {
  readonly #fs: FileSystem;
  readonly #manifest: Manifest;
  readonly #lockWatch: LockWatch;
  readonly #superVersions: SuperVersions;
  #nextFileId: number;
  /** The last log that is known to have been begun; 0: none in this run. */
  #begunGeneration = 0;
  /** Tables of edits that were refused but may be on the disk: until a later edit is taken. */
  #doubtful: string[] = [];

  constructor(
    fs: FileSystem,
    manifest: Manifest,
    lockWatch: LockWatch,
    superVersions: SuperVersions,
    nextFileId: number,
  ) {
    this.#fs = fs;
    this.#manifest = manifest;
    this.#lockWatch = lockWatch;
    this.#superVersions = superVersions;
    this.#nextFileId = nextFileId;
  }

  takeFileIds(count: number): number[] {
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(this.#nextFileId++);
    return ids;
  }

  /**
   * @param handles the tables that the edit adds and no super-version has yet; they are removed when it is refused
   * @throws LsmError of the manifest: the version is as before, and the work may be done again
   */
  async commit(edit: VersionEdit, handles: readonly TableHandle[]): Promise<void> {
    const superVersions = this.#superVersions;
    const paths = handles.map(({ path }) => path);
    try {
      await this.#append(edit);
    } catch (error) {
      if (this.#manifest.isInDoubt) this.#doubtful.push(...paths);
      // They may have become another engine's.
      else if (!this.#lockWatch.isLost) await this.#remove(paths);
      throw error;
    }
    // Edits are applied in the order in which they were appended: each waits for its own append, and appends end in
    // order.
    superVersions.install(
      superVersions.version.apply(edit),
      edit.oldestGeneration ?? superVersions.current.oldestGeneration,
      handles,
    );
    if (this.#doubtful.length > 0) await this.#remove(this.#doubtful.splice(0));
  }

  /** Whether an edit that was refused may be in force after a restart. */
  get isInDoubt(): boolean {
    return this.#manifest.isInDoubt;
  }

  /**
   * Has the manifest say what is in force, so that no edit which was refused is; the version stays unchanged.
   * @throws LsmError of the manifest
   */
  settleDoubt(): Promise<void> {
    return this.commit({ added: [], removed: [] }, []);
  }

  /**
   * Has the manifest name a log that was begun; the version stays unchanged.
   * @throws LsmError of the manifest, or that the directory may be another engine's
   */
  note({ begunGeneration }: { readonly begunGeneration: number }): Promise<void> {
    this.#begunGeneration = begunGeneration;
    return this.#append({ added: [], removed: [] });
  }

  /** The writer has switched to this log: the next edit says so as well. */
  rotated(generation: number): void {
    this.#begunGeneration = generation;
  }

  /** Every edit of a run comes by here, so none is made in a directory that may be another engine's. */
  async #append(edit: VersionEdit): Promise<void> {
    await this.#lockWatch.check();
    const begunGeneration = this.#begunGeneration;
    const begun = begunGeneration === 0 ? {} : { begunGeneration };
    return this.#manifest.append({ ...edit, ...begun, nextFileId: this.#nextFileId });
  }

  async #remove(paths: readonly string[]): Promise<void> {
    // The next start removes what stays.
    for (const path of paths) await this.#fs.remove(path).catch(() => undefined);
  }
}
