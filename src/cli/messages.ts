/**
 * What `serve` says to people while it runs, to stdout what they asked for, to stderr what happened. It stays for
 * months, so nothing it says may hold it up or end it: a disk that is full, a reader that stalls.
 */
import type { Clock } from '../clock.ts';
import { LineWriter } from '../line-writer.ts';

export const STDOUT = 1;
export const STDERR = 2;
/** For a reader that stalls, when the process ends. */
const FLUSH_PATIENCE_MS = 1_000;

export function openMessageWriter(fd: number, clock: Clock): LineWriter {
  const describeLost = (lines: number): string =>
    `quorate: ${lines} ${lines === 1 ? 'message was' : 'messages were'} lost here\n`;
  return new LineWriter(fd, { clock, describeLost });
}

export class Messages implements AsyncDisposable {
  readonly #stdout: LineWriter;
  readonly #stderr: LineWriter;

  constructor(clock: Clock) {
    this.#stdout = openMessageWriter(STDOUT, clock);
    this.#stderr = openMessageWriter(STDERR, clock);
  }

  print(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  report(line: string): void {
    this.#stderr.write(`quorate: ${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const writer of [this.#stdout, this.#stderr]) {
      await writer.flush(FLUSH_PATIENCE_MS);
      writer[Symbol.dispose]();
    }
  }
}
