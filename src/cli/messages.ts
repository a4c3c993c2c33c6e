/**
 * What `serve` says to people while it runs: results on stdout, events on stderr. It runs for months, so a full disk or
 * a reader that stalls must neither hold it up nor end it.
 */
import type { Clock } from '../clock.ts';
import { LineWriter } from '../line-writer.ts';

const STDOUT = 1;
export const STDERR = 2;
/** How long the process waits at its end for a reader that stalls. */
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
