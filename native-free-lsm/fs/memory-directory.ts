import type { MemoryFile, Survival } from './memory-file.ts';

/** `undefined`: the name is gone. */
type NameChange = readonly [name: string, file: MemoryFile | undefined];

/** The names in one directory of a `MemoryFileSystem`: as everyone sees them, and as the disk has them. */
export class MemoryDirectory {
  readonly names = new Map<string, MemoryFile>();
  #durable = new Map<string, MemoryFile>();
  /** Changes since the last sync, in order; those of one rename stand together. */
  #pending: NameChange[][] = [];

  change(changes: NameChange[]): void {
    for (const [name, file] of changes) put(this.names, name, file);
    this.#pending.push(changes);
  }

  sync(): void {
    this.#durable = new Map(this.names);
    this.#pending = [];
  }

  /**
   * The names as a power loss leaves them. `torn` either keeps the first few changes, as a journal does, or
   * lets every name stand at any of its states since the last sync, which is all that POSIX promises.
   */
  afterPowerLoss(survival: Survival, random: () => number): Map<string, MemoryFile> {
    if (survival === 'kept') return new Map(this.names);
    const left = new Map(this.#durable);
    if (survival === 'lost') return left;
    if (random() < 0.5) {
      const kept = Math.floor(random() * (this.#pending.length + 1));
      for (const [name, file] of this.#pending.slice(0, kept).flat()) put(left, name, file);
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
