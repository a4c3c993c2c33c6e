/**
 * Writes results to stdout. All commands write them here, so that nothing that could not be written is taken for done:
 * a file on a full disk takes a part of the bytes without an error, and a stream without listeners hides the rest.
 */
import { write } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { systemClock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { CommandError, ExitCode } from './exit-codes.ts';
import { holdProcess } from './hold-process.ts';
import { unreachable } from './http-client.ts';

const STDOUT = 1;
/** The pause before writing again to a full pipe that another process made non-blocking. */
const FULL_PIPE_PAUSE_MS = 10;

/** The reader of stdout has seen enough (`| head`): the rest of the work need not be done, and this is no failure. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** Writes one line, or several. */
export function print(text: string): Promise<void> {
  return writeOutput(`${text}\n`);
}

/**
 * Resolves when the system has taken all of it.
 * @throws OutputClosed; CommandError with an exit code of its own
 */
export async function writeOutput(output: string | Uint8Array, fd = STDOUT): Promise<void> {
  const bytes = typeof output === 'string' ? Buffer.from(output) : output;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += await writeSome(fd, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') throw new OutputClosed();
      if (code !== 'EAGAIN') throw unwritten(error);
      using _alive = holdProcess();
      await new Promise<void>((resolve) => systemClock.after(FULL_PIPE_PAUSE_MS, resolve));
    }
  }
}

/**
 * Writes the body of an answer.
 * @param transform changes each chunk of the body; without it they are written unchanged
 * @throws as `writeOutput` does; CommandError `unreachable` for a body that breaks off
 */
export async function writeBody(
  url: string,
  body: IncomingMessage,
  transform: (chunk: Uint8Array) => Uint8Array | string = (chunk) => chunk,
): Promise<void> {
  const chunks = body as AsyncIterable<Uint8Array>;
  try {
    for await (const chunk of chunks) await writeOutput(transform(chunk));
  } catch (error) {
    if (error instanceof OutputClosed || error instanceof CommandError) throw error;
    throw unreachable(url, error);
  }
}

function writeSome(fd: number, bytes: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, at, bytes.length - at, null, (error, writtenBytes) =>
      error === null ? resolve(writtenBytes) : reject(error),
    );
  });
}

function unwritten(error: unknown): CommandError {
  return new CommandError(
    ExitCode.output,
    `the output could not be written (${errorMessage(error)}): make room, or send it somewhere else`,
  );
}
