import type { FileSystem } from '../fs/file-system.ts';
import { BatchKind } from './log-format.ts';
import { LogWriter } from './log-writer.ts';

/**
 * The log of the memtable that is being written, and how the next one takes its place. Any step of that may fail and
 * be tried again: the next log is there, durable with its name, before the old one is marked as complete, and until it
 * is, the old one takes writes as before.
 */
export class LogSuccession {
  readonly #fs: FileSystem;
  readonly #directory: string;
  #current: LogWriter | undefined;
  /** Created by an attempt that got no further. */
  #next: LogWriter | undefined;
  /** The end of the current log may say that the next one was begun, though marking it failed. */
  #mayBeMarked = false;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
  }

  /** Undefined until `open` has succeeded. */
  get current(): LogWriter | undefined {
    return this.#current;
  }

  /** @throws LsmError NO_SPACE or IO_ERROR: there is no log as before, and another attempt may succeed */
  open(generation: number): void {
    this.#current ??= LogWriter.create(this.#fs, this.#directory, generation);
  }

  /**
   * Does what of going over can be done ahead.
   * @throws LsmError NO_SPACE or IO_ERROR
   */
  prepare(next: number): void {
    this.#next ??= LogWriter.create(this.#fs, this.#directory, next);
  }

  /**
   * Goes over to the log of the next generation.
   * @throws LsmError NO_SPACE or IO_ERROR: the current log goes on, and another attempt may succeed; POISONED
   */
  succeed(next: number): void {
    this.prepare(next);
    // From this mark on a start knows that there must be a next log, before anything is acknowledged from there.
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
    // A start that finds the mark must find the log. What a failed sync has left, and whether a cut is on the disk,
    // nobody knows; an empty log does no harm.
    if (this.#mayBeMarked) this.#next?.close();
    else this.#next?.discard();
  }
}
