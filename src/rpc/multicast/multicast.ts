/**
 * Multicast between the nodes of a cluster: each node sends to a group of its own and hears the groups of all others.
 * It is only the faster way: whatever it does not bring goes over the RPC connections.
 */
import type { Clock, Random } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { isLoopback } from '../../host.ts';
import type { Log } from '../../log.ts';
import type { ClusterSecret } from '../cluster-secret.ts';
import { DatagramSeal } from './datagram-seal.ts';
import type { DatagramTransport, GroupReceiver, MulticastGroup } from './datagram-transport.ts';
import { groupOf, interfaceOf } from './group.ts';
import { MulticastReceiver, type ReceivedFigures } from './receiver.ts';
import { MulticastSender, type SentFigures } from './sender.ts';

interface GroupMember {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
}

interface MulticastOptions {
  readonly clusterId: string;
  readonly self: GroupMember;
  readonly secret: ClusterSecret;
  readonly transport: DatagramTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Multicast does not work, and everything goes over the connections. */
  readonly onUnusable: (sentence: string) => void;
}

interface MulticastFigures {
  /** Whether this node's sockets are open. */
  readonly isOpen: boolean;
  /** Of this node, as address:port. */
  readonly group: string;
  /** Of the socket that got the least from the system: what comes beyond it while the loop is busy is lost. */
  readonly receiveBufferBytes: number;
  readonly sent: SentFigures;
  readonly received: ReceivedFigures;
}

/** A network's packets are about 1,500 bytes long. A larger datagram would be lost with any of its packets. */
const NETWORK_DATAGRAM_BYTES = 1_400;
/** On loopback there are none: several values of 8 KiB fit, and a receive buffer of the usual size holds several such. */
const LOOPBACK_DATAGRAM_BYTES = 32 * 1_024;

export class Multicast {
  readonly sender: MulticastSender;
  readonly receiver: MulticastReceiver;
  readonly #options: MulticastOptions;
  readonly #group: MulticastGroup;
  readonly #via: string | undefined;
  /** What is heard, by group. */
  readonly #heard = new Map<string, GroupReceiver>();
  #members: readonly GroupMember[] = [];
  #isJoining = false;
  #state: 'new' | 'opening' | 'open' | 'closed' = 'new';

  constructor(options: MulticastOptions) {
    const { clock, clusterId, log, random, secret, self } = options;
    const seal = new DatagramSeal(secret);
    const maxDatagramBytes = isLoopback(self.host) ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES;
    this.#options = options;
    this.#group = groupOf(clusterId, self.nodeId, self.port);
    this.#via = interfaceOf(self.host);
    this.sender = new MulticastSender({ clock, random, log, seal, maxDatagramBytes });
    this.receiver = new MulticastReceiver(seal, clock, log);
  }

  /** Whether this node sends and hears datagrams: it says so in handshakes. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get figures(): MulticastFigures {
    const buffers = Array.from(this.#heard.values(), ({ bufferBytes }) => bufferBytes);
    const smallest = buffers.length === 0 ? 0 : Math.min(...buffers);
    return {
      isOpen: this.isOpen,
      group: nameOf(this.#group),
      receiveBufferBytes: smallest,
      sent: this.sender.figures,
      received: this.receiver.figures,
    };
  }

  /** Opens the sockets. When one cannot be opened, all stay closed, and `onUnusable` is told why. */
  async open(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'opening';
    const { transport } = this.#options;
    try {
      await this.#hearMembers();
      const socket = await transport.sender(this.#group, this.#via, () => this.sender.onFault());
      if (this.#isClosed) {
        socket.close();
        return;
      }
      this.sender.start(socket);
      this.#state = 'open';
    } catch (error) {
      this.#fail(error);
    }
  }

  /** These are the other nodes from now on. */
  setMembers(members: readonly GroupMember[]): void {
    this.#members = members;
    if (this.#state === 'opening' || this.#state === 'open')
      void this.#hearMembers().catch((error: unknown) => this.#fail(error));
  }

  /** Hears nothing more; what is gathered is still sent, and what is not answered goes over the connections. */
  close(): void {
    this.#state = 'closed';
    this.sender.close();
    for (const receiver of this.#heard.values()) receiver.close();
    this.#heard.clear();
  }

  /** To be asked after an await: the compiler takes the state for the one that was set before. */
  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Hears the groups of the members, and no others, and follows the members that change meanwhile. */
  async #hearMembers(): Promise<void> {
    // Whoever does it already sees the change.
    if (this.#isJoining) return;
    this.#isJoining = true;
    try {
      let members: readonly GroupMember[];
      do {
        members = this.#members;
        await this.#hear(members);
      } while (members !== this.#members && !this.#isClosed);
    } finally {
      this.#isJoining = false;
    }
  }

  async #hear(members: readonly GroupMember[]): Promise<void> {
    const { clusterId, transport } = this.#options;
    const wanted = new Map<string, MulticastGroup>();
    for (const { nodeId, port } of members) {
      const group = groupOf(clusterId, nodeId, port);
      wanted.set(nameOf(group), group);
    }
    for (const [name, receiver] of this.#heard) {
      if (wanted.has(name)) continue;
      this.#heard.delete(name);
      receiver.close();
    }
    for (const [name, group] of wanted) {
      if (this.#heard.has(name)) continue;
      const receiver = await transport.receiver(group, this.#via, (bytes) => this.receiver.onDatagram(bytes));
      if (this.#isClosed) {
        receiver.close();
        return;
      }
      this.#heard.set(name, receiver);
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.onUnusable(
      `Writes are not sent by multicast, as this node ${errorMessage(error)}. They go to each node by itself`,
    );
  }
}

function nameOf({ address, port }: MulticastGroup): string {
  return `${address}:${port}`;
}
