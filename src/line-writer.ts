/**
 * Writes lines to a file descriptor (a log, the messages of a process) without ever blocking the caller or throwing.
 * When a disk is full or a reader stalls, lines are lost, but the process goes on. Lines wait in memory up to a bound;
 * lines beyond it are lost, and a later line says how many.
 *
 * Only one write runs at a time: writes use the thread pool that the disk needs too, and a write to a pipe that nobody
 * reads can block its thread until somebody does. Such threads would also keep the process from ending. So pipes and
 * terminals are opened again where the system can do that (Linux): an open file description of our own can be
 * non-blocking, and does not change that of the processes which share the pipe.
 */
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import type { Clock } from './clock.ts';

interface LineWriterOptions {
  readonly clock: Clock;
  /** The line, with its newline, that takes the place of lost lines. */
  readonly describeLost: (lines: number) => string;
  /** fs.write, or what replaces it in tests. */
  readonly write?: WriteCall;
}

export type WriteCall = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  callback: (error: NodeJS.ErrnoException | null, writtenBytes: number) => void,
) => void;

/** Room for some thousand lines. */
export const MAX_WAITING_BYTES = 1024 * 1024;
const MAX_WRITE_BYTES = 64 * 1024;
/** The pause before writing again to a full pipe. */
const FULL_PIPE_PAUSE_MS = 50;
/** The pause after a full disk or any other fault that may pass. */
const FAULT_PAUSE_MS = 500;
/** Faults after which nobody will ever read it. */
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'EBADF', 'ECONNRESET']);

const systemWrite: WriteCall = (fd, bytes, offset, length, callback) =>
  write(fd, bytes, offset, length, null, callback);

export class LineWriter implements Disposable {
  readonly #fd: number;
  readonly #ownsFd: boolean;
  readonly #clock: Clock;
  readonly #describeLost: (lines: number) => string;
  readonly #write: WriteCall;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  /** The bytes being written, and the position to go on from. */
  #chunk: Buffer | null = null;
  #offset = 0;
  #isWriting = false;
  #isPausing = false;
  #isGone = false;
  #isDisposed = false;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(fd: number, options: LineWriterOptions) {
    this.#fd = openAgain(fd);
    this.#ownsFd = this.#fd !== fd;
    this.#clock = options.clock;
    this.#describeLost = options.describeLost;
    this.#write = options.write ?? systemWrite;
  }

  /** @param line ends in a newline */
  write(line: string): void {
    if (this.#isGone) return;
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      this.#lost++;
      return;
    }
    this.#sayWhatWasLost();
    this.#append(bytes);
    this.#pump();
  }

  /** Resolves when everything is written, when nobody reads it any more, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#isEmpty) return;
    this.#idle ??= Promise.withResolvers<void>();
    const patience = this.#clock.after(timeoutMs, () => this.#endFlush());
    await this.#idle.promise;
    patience.cancel();
  }

  /** For the last moment of a process: writes what can be written at once. */
  flushSync(): void {
    if (this.#isGone) return;
    // A chunk in the pool is written there. A descriptor that blocks could keep the process here for ever.
    const chunk = this.#isWriting || this.#chunk === null ? [] : [this.#chunk.subarray(this.#offset)];
    if (this.#isWriting && !this.#ownsFd) return;
    const rest = Buffer.concat([...chunk, ...this.#waiting]);
    this.#forgetAll();
    try {
      for (let at = 0; at < rest.length; ) at += writeSync(this.#fd, rest, at);
    } catch {
      // A process that ends does not wait for a reader, or for space.
    }
  }

  [Symbol.dispose](): void {
    this.#isGone = true;
    this.#isDisposed = true;
    this.#forgetAll();
    if (this.#ownsFd && !this.#isWriting) closeSync(this.#fd);
  }

  get #isEmpty(): boolean {
    return this.#chunk === null && this.#waiting.length === 0;
  }

  #append(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #sayWhatWasLost(): void {
    if (this.#lost === 0) return;
    const line = Buffer.from(this.#describeLost(this.#lost));
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) return;
    this.#lost = 0;
    this.#append(line);
  }

  #pump(): void {
    if (this.#isWriting || this.#isPausing || this.#isGone) return;
    this.#chunk ??= this.#nextChunk();
    if (this.#chunk === null) {
      this.#endFlush();
      return;
    }
    this.#isWriting = true;
    const { length } = this.#chunk;
    this.#write(this.#fd, this.#chunk, this.#offset, length - this.#offset, this.#onWritten);
  }

  #nextChunk(): Buffer | null {
    this.#sayWhatWasLost();
    if (this.#waiting.length === 0) return null;
    let lines = 1;
    let bytes = this.#waiting[0].length;
    while (lines < this.#waiting.length && bytes + this.#waiting[lines].length <= MAX_WRITE_BYTES)
      bytes += this.#waiting[lines++].length;
    const chunk = lines === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting.slice(0, lines), bytes);
    this.#waiting = this.#waiting.slice(lines);
    this.#waitingBytes -= bytes;
    return chunk;
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, writtenBytes: number): void => {
    this.#isWriting = false;
    if (this.#isDisposed && this.#ownsFd) closeSync(this.#fd);
    if (this.#isGone) return;
    if (error !== null && GONE.has(error.code ?? '')) {
      this.#isGone = true;
      this.#forgetAll();
      this.#endFlush();
    } else if (error !== null || writtenBytes === 0) {
      this.#pause(error === null || error.code === 'EAGAIN' ? FULL_PIPE_PAUSE_MS : FAULT_PAUSE_MS);
    } else {
      this.#offset += writtenBytes;
      if (this.#offset >= (this.#chunk?.length ?? 0)) {
        this.#chunk = null;
        this.#offset = 0;
      }
      this.#pump();
    }
  };

  #pause(pauseMs: number): void {
    this.#isPausing = true;
    this.#clock.after(pauseMs, () => {
      this.#isPausing = false;
      this.#pump();
    });
  }

  #forgetAll(): void {
    this.#chunk = null;
    this.#offset = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #endFlush(): void {
    this.#idle?.resolve();
    this.#idle = null;
  }
}

/** A non-blocking open file description of our own; the descriptor itself where there can be none. */
function openAgain(fd: number): number {
  if (process.platform !== 'linux') return fd;
  try {
    const stat = fstatSync(fd);
    // A file opened again would lose its offset, and a file takes what it is given without delay.
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch {
    // It may be another user's terminal, a pipe without a reader, or a system without /proc.
    return fd;
  }
}
