/**
 * Multicast groups in memory over an injected clock, with the faults that a network may have: datagrams are lost, come
 * twice, late, in another order, with a byte changed, or again much later.
 */
import type { Clock, Random } from '../../src/clock.ts';
import type {
  DatagramTransport,
  GroupReceiver,
  GroupSender,
  MulticastGroup,
} from '../../src/rpc/multicast/datagram-transport.ts';

/** Each is a share from 0 to 1, for each datagram at each receiver. */
export interface DatagramFaults {
  readonly loss: number;
  readonly duplication: number;
  readonly corruption: number;
  /** Of datagrams that come again, up to `REPLAY_MS` later. */
  readonly replay: number;
  /** Each comes at a random time up to this: with more than the time between two, they change their order. */
  readonly delayMs: number;
}

export const NO_FAULTS: DatagramFaults = { loss: 0, duplication: 0, corruption: 0, replay: 0, delayMs: 1 };
const REPLAY_MS = 5_000;

interface Listener {
  readonly host: string;
  readonly onDatagram: (datagram: Buffer) => void;
}

export class MemoryDatagrams {
  faults: DatagramFaults = NO_FAULTS;
  /** How many datagrams were sent. */
  sent = 0;
  /** The last of them. */
  last: Buffer = Buffer.alloc(0);
  /** Hosts that hear nothing, as behind a network that carries no multicast. */
  readonly deaf = new Set<string>();
  /** Hosts that can hear no further group. */
  readonly full = new Set<string>();
  /** Hosts whose process stands still: what comes meanwhile waits in the kernel. */
  readonly #frozen = new Map<string, Buffer[]>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The groups as one host sees them. */
  transport(host: string): DatagramTransport {
    return {
      sender: async (group) => this.#sender(group),
      receiver: async (group, _via, onDatagram) => {
        if (this.full.has(host)) throw new Error(`cannot hear the multicast group ${nameOf(group)}: ENOBUFS`);
        return this.#receiver(group, { host, onDatagram });
      },
    };
  }

  /** How many sockets hear a group. */
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  freeze(host: string): void {
    if (!this.#frozen.has(host)) this.#frozen.set(host, []);
  }

  thaw(host: string): void {
    const waiting = this.#frozen.get(host) ?? [];
    this.#frozen.delete(host);
    for (const listeners of this.#listeners.values())
      for (const listener of listeners)
        if (listener.host === host) for (const bytes of waiting) listener.onDatagram(Buffer.from(bytes));
  }

  /** Somebody sends to a group: for all that hear it. */
  inject(group: MulticastGroup, bytes: Uint8Array): void {
    for (const listener of this.#listeners.get(nameOf(group)) ?? [])
      this.#deliver(listener, Buffer.from(bytes));
  }

  #sender(group: MulticastGroup): GroupSender {
    return {
      send: (datagram) => {
        this.sent++;
        this.last = Buffer.from(datagram);
        for (const listener of this.#listeners.get(nameOf(group)) ?? []) this.#carry(listener, datagram);
      },
      close() {},
    };
  }

  #receiver(group: MulticastGroup, listener: Listener): GroupReceiver {
    const name = nameOf(group);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return { bufferBytes: 1, close: () => listeners.delete(listener) };
  }

  #carry(listener: Listener, datagram: Buffer): void {
    const { loss, duplication, replay } = this.faults;
    if (this.#random() >= loss) this.#later(listener, datagram, this.faults.delayMs);
    if (this.#random() < duplication) this.#later(listener, datagram, this.faults.delayMs);
    if (this.#random() < replay) this.#later(listener, datagram, REPLAY_MS);
  }

  #later(listener: Listener, datagram: Buffer, withinMs: number): void {
    const bytes = Buffer.from(datagram);
    if (this.#random() < this.faults.corruption)
      bytes[Math.floor(this.#random() * bytes.length)] ^= 1 + Math.floor(this.#random() * 255);
    this.#clock.after(this.#random() * withinMs, () => this.#deliver(listener, bytes));
  }

  #deliver(listener: Listener, bytes: Buffer): void {
    if (this.deaf.has(listener.host)) return;
    const waiting = this.#frozen.get(listener.host);
    if (waiting !== undefined) waiting.push(bytes);
    else if (this.#isHeard(listener)) listener.onDatagram(bytes);
  }

  #isHeard(listener: Listener): boolean {
    for (const listeners of this.#listeners.values()) if (listeners.has(listener)) return true;
    return false;
  }
}

function nameOf({ address, port }: MulticastGroup): string {
  return `${address}:${port}`;
}
