/**
 * What of that which the kernel has taken for a client has not been acknowledged by the client's side. Node tells it
 * nowhere; Linux does, in a table of all connections of the machine, so it is dear (2 µs for each of them) and asked
 * for many sockets at once. Other systems do not tell it to a program without native code; their kernels buffer less.
 */
import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';
import { IPV4_KEY_WIDTH, IPV6_KEY_WIDTH, TcpTableReader, tableKey } from './tcp-table.ts';

const PIECE_BYTES = 64 * 1024;
const TABLES = [
  ['/proc/net/tcp', IPV4_KEY_WIDTH],
  ['/proc/net/tcp6', IPV6_KEY_WIDTH],
] as const;
const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Without those of which it is not known. */
export async function unacknowledgedBytes(sockets: readonly Socket[]): Promise<ReadonlyMap<Socket, number>> {
  const bytes = new Map<Socket, number>();
  if (process.platform !== 'linux') return bytes;
  const keys = new Map<Socket, string>();
  for (const socket of sockets) {
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
    const key = tableKey(localAddress, localPort, remoteAddress, remotePort, IS_LITTLE_ENDIAN);
    if (key !== null) keys.set(socket, key);
  }
  for (const [path, keyWidth] of TABLES) {
    const wanted = new Set([...keys.values()].filter(({ length }) => length === keyWidth));
    if (wanted.size === 0) continue;
    const found = await readTable(path, new TcpTableReader(wanted, keyWidth));
    for (const [socket, key] of keys) {
      const unacknowledged = found.get(key);
      if (unacknowledged !== undefined) bytes.set(socket, unacknowledged);
    }
  }
  return bytes;
}

async function readTable(path: string, table: TcpTableReader): Promise<ReadonlyMap<string, number>> {
  try {
    await using file = await open(path);
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    while (!table.hasAll) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) break;
      table.add(piece.toString('latin1', 0, bytesRead));
    }
  } catch {
    // A system that hides the table, or no descriptor left: no more is known than was found.
  }
  return table.found;
}
