/** Resets a connection of TCP: its other end sees an error, and loses what it has not read. */
import type { Socket } from 'node:net';

export function resetSocket(socket: Socket): void {
  // While a socket sends its end, Node's reset of it fails and leaves it open for good: it never says `close`, and its
  // process or thread, when it has nothing more to do, turns in a circle instead of ending. All was written then, so to
  // close it loses nothing.
  if (isSendingItsEnd(socket)) socket.destroy();
  else socket.resetAndDestroy();
}

function isSendingItsEnd({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0;
}
