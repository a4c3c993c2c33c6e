/**
 * Linux's table of TCP connections, /proc/net/tcp and /proc/net/tcp6: which of its lines is whose, and what has been
 * sent but not been acknowledged. Pure.
 *
 *   "   7: 0100007F:4B22 0100007F:D3A4 01 00001000:00000000 ..."
 *          local address and port, the peer's, state, unacknowledged : unread
 *
 * Addresses are words of 32 bits in the byte order of the machine.
 */
import { addressBytes } from './ip-address.ts';

/** Two addresses of 4 or 16 bytes with their ports, in hexadecimal. */
export const IPV4_KEY_WIDTH = 27;
export const IPV6_KEY_WIDTH = 75;
const STATE_WIDTH = ' 01 '.length;
const BYTES_WIDTH = 8;

/** What a connection's line begins with behind its number; null for what is no connection. */
export function tableKey(
  localAddress: string,
  localPort: number,
  peerAddress: string,
  peerPort: number,
  isLittleEndian: boolean,
): string | null {
  const local = addressBytes(localAddress);
  const peer = addressBytes(peerAddress);
  if (local === null || peer === null) return null;
  return `${endpoint(local, localPort, isLittleEndian)} ${endpoint(peer, peerPort, isLittleEndian)}`;
}

function endpoint(address: Uint8Array, port: number, isLittleEndian: boolean): string {
  let text = '';
  const view = new DataView(address.buffer);
  for (let i = 0; i < address.length; i += 4) text += hex(view.getUint32(i, isLittleEndian), 8);
  return `${text}:${hex(port, 4)}`;
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}

/** Takes the table in pieces, and of it what it was asked for. */
export class TcpTableReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #keyWidth: number;
  readonly #found = new Map<string, number>();
  #rest = '';

  /** @param wanted keys of one table, all of one width */
  constructor(wanted: ReadonlySet<string>, keyWidth: number) {
    this.#wanted = wanted;
    this.#keyWidth = keyWidth;
  }

  /** Unacknowledged bytes by key. */
  get found(): ReadonlyMap<string, number> {
    return this.#found;
  }

  get hasAll(): boolean {
    return this.#found.size === this.#wanted.size;
  }

  add(piece: string): void {
    const text = this.#rest + piece;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#line(text, start);
      start = end + 1;
    }
    this.#rest = text.slice(start);
  }

  #line(text: string, start: number): void {
    const keyStart = text.indexOf(': ', start) + 2;
    const keyEnd = keyStart + this.#keyWidth;
    const key = text.slice(keyStart, keyEnd);
    if (!this.#wanted.has(key)) return;
    const bytesStart = keyEnd + STATE_WIDTH;
    this.#found.set(key, Number.parseInt(text.slice(bytesStart, bytesStart + BYTES_WIDTH), 16));
  }
}
