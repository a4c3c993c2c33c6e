import type { MemoryFile, Survival } from './memory-file.ts';

/** `undefined`: the name is gone. */
type NameChange = readonly [name: string, file: MemoryFile | undefined];

const PRIVATE_DIRECTORY_MODE = 0o700;

/** The names in one directory of a `MemoryFileSystem`: as everyone sees them, and as the disk has them. */
export class MemoryDirectory {
  mode = PRIVATE_DIRECTORY_MODE;
  readonly names = new Map<string, MemoryFile>();
  #durable = new Map<string, MemoryFile>();
  /** The changes since the last sync, in order; those of one rename are together. */
  #pending: NameChange[][] = [];

  change(changes: NameChange[]): void {
    for (const [name, file] of changes) put(this.names, name, file);
    this.#pending.push(changes);
  }

  sync(): void {
    this.#durable = new Map(this.names);
    this.#pending = [];
  }

  /** The directory after its process was killed, with the files that `survivor` returns for its own. */
  afterKill(survivor: (file: MemoryFile) => MemoryFile): MemoryDirectory {
    const directory = new MemoryDirectory();
    directory.mode = this.mode;
    for (const [name, file] of this.names) directory.names.set(name, survivor(file));
    for (const [name, file] of this.#durable) directory.#durable.set(name, survivor(file));
    directory.#pending = this.#pending.map((changes) =>
      changes.map(([name, file]): NameChange => [name, file === undefined ? undefined : survivor(file)]),
    );
    return directory;
  }

  /**
   * The names as a power loss leaves them. `torn` keeps the first few changes, as one journal does; or any of them, as
   * several journals do; or leaves every name in any of its states since the last sync, which is all that POSIX
   * promises: then even a rename may be half done.
   */
  afterPowerLoss(survival: Survival, random: () => number): Map<string, MemoryFile> {
    if (survival === 'kept') return new Map(this.names);
    const left = new Map(this.#durable);
    if (survival === 'lost') return left;
    const kind = random();
    if (kind < 0.6) {
      const kept = Math.floor(random() * (this.#pending.length + 1));
      const isKept = (index: number): boolean => (kind < 0.3 ? index < kept : random() < 0.5);
      for (const [name, file] of this.#pending.filter((_, index) => isKept(index)).flat())
        put(left, name, file);
      return left;
    }
    const histories = new Map<string, (MemoryFile | undefined)[]>();
    for (const [name, file] of this.#pending.flat()) {
      const history = histories.get(name);
      if (history === undefined) histories.set(name, [left.get(name), file]);
      else history.push(file);
    }
    for (const [name, history] of histories) put(left, name, history[Math.floor(random() * history.length)]);
    return left;
  }
}

function put(names: Map<string, MemoryFile>, name: string, file: MemoryFile | undefined): void {
  if (file === undefined) names.delete(name);
  else names.set(name, file);
}
