import type { FileSystem } from '../fs/file-system.ts';
import { BatchKind } from './log-format.ts';
import { LogWriter } from './log-writer.ts';

/**
 * The log of the active memtable, and how the next log replaces it. Each step of that may fail and be tried again. The
 * next log is durable with its name before the old one is marked as complete, and until then the old one takes writes
 * as before.
 */
export class LogSuccession {
  readonly #fs: FileSystem;
  readonly #directory: string;
  #current: LogWriter | undefined;
  /** A next log that was created by an attempt that failed later. */
  #next: LogWriter | undefined;
  /** Whether the current log may be marked as continued although marking it failed. */
  #mayBeMarked = false;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
  }

  /** Undefined until `open` has succeeded. */
  get current(): LogWriter | undefined {
    return this.#current;
  }

  /** @throws LsmError NO_SPACE or IO_ERROR: there is still no log, and another attempt may succeed */
  open(generation: number): void {
    this.#current ??= LogWriter.create(this.#fs, this.#directory, generation);
  }

  /**
   * Creates the next log ahead of time.
   * @throws LsmError NO_SPACE or IO_ERROR
   */
  prepare(next: number): void {
    this.#next ??= LogWriter.create(this.#fs, this.#directory, next);
  }

  /**
   * Switches to the log of the next generation.
   * @throws LsmError NO_SPACE or IO_ERROR: the current log goes on, and another attempt may succeed; POISONED
   */
  succeed(next: number): void {
    this.prepare(next);
    // This mark tells a start that there must be a next log. It is written before anything there is acknowledged.
    this.#mayBeMarked = true;
    this.#current?.finish(BatchKind.continued);
    this.#mayBeMarked = false;
    this.#current = this.#next;
    this.#next = undefined;
  }

  /**
   * Marks the current log as the last.
   * @throws LsmError as LogWriter.finish
   */
  finish(): void {
    this.#current?.finish(BatchKind.cleanClose);
  }

  close(): void {
    this.#current?.close();
    // A start that finds the mark must find the next log. After a failed sync nobody knows whether the mark, or its
    // removal, is on the disk, so an empty next log stays: it does no harm.
    if (this.#mayBeMarked) this.#next?.close();
    else this.#next?.discard();
  }
}
