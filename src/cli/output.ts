/** Writing bytes to stdout, which may be a pipe whose reader stops early (`| head`). */
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { unreachable } from './http-client.ts';

/**
 * Ends when all of it is written, or when the reader of stdout wants no more, which is no fault. A body that
 * breaks off is thrown as `unreachable`.
 * @param transform what to make of the body's chunks; left out: they go through unchanged
 */
export async function writeBody(
  url: string,
  body: IncomingMessage,
  transform: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array | string> = (chunks) => chunks,
): Promise<void> {
  try {
    await pipeline(body, transform, process.stdout, { end: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') {
      return;
    }
    throw unreachable(url, error);
  }
}
