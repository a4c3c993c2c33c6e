/** What the kernel has taken of all that was written to a socket. */
import type { Socket } from 'node:net';

/**
 * Node's own count, by which `net` tells an idle socket from one whose write goes on. Documented are only counts that
 * move when a write is over, and that of a large value may take minutes.
 */
interface SocketHandle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

export function takenBytes(socket: Socket & { readonly _handle?: SocketHandle | null }): number {
  const handle = socket._handle;
  if (handle === undefined || handle === null) return socket.bytesWritten - socket.writableLength;
  return handle.bytesWritten - handle.writeQueueSize;
}
