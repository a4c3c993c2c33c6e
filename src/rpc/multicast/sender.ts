import type { Clock, Random, TimerHandle } from '../../clock.ts';
import type { Log } from '../../log.ts';
import { DatagramReader, DatagramWriter, datagramBytes, MAX_RECEIVERS } from './datagram-codec.ts';
import { DatagramPath, type DatagramPeer, type PathStatus, SentDatagram } from './datagram-path.ts';
import type { DatagramSeal } from './datagram-seal.ts';
import type { GroupSender } from './datagram-transport.ts';

interface MulticastSenderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly seal: DatagramSeal;
  readonly maxDatagramBytes: number;
}

export interface SentFigures {
  readonly datagrams: number;
  /** Each counts once, however many peers it went to. */
  readonly writes: number;
  readonly bytes: number;
  /** Datagrams that the system did not take. */
  readonly faults: number;
  /** Bytes that are kept to be sent again. */
  readonly keptBytes: number;
  readonly peers: readonly PathStatus[];
}

/** Beyond this, writes go over the connections: what was sent may be needed again. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** Losses are looked for no more often. */
const COLLECT_EVERY_MS = 5;

/**
 * Sends writes to several peers at once. What one turn of the loop gathered is one datagram, or as few as it fits into,
 * so that sealing and sending it is paid once, whatever the number of peers and writes.
 *
 * For each write: `begin`, `address` for each peer, `end`.
 */
export class MulticastSender {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #seal: DatagramSeal;
  readonly #writer: DatagramWriter;
  readonly #reader = new DatagramReader();
  readonly #maxDatagramBytes: number;
  readonly #paths = new Set<DatagramPath>();
  /** The receivers of the datagram that is being gathered, by place. */
  readonly #gathered: DatagramPath[] = [];
  readonly #firstIds = new Uint32Array(MAX_RECEIVERS);
  readonly #requests = new Uint32Array(MAX_RECEIVERS);
  /** The receivers of the write that is being added. */
  readonly #places = new Uint8Array(MAX_RECEIVERS);
  readonly #ids = new Uint32Array(MAX_RECEIVERS);
  #receivers = 0;
  #socket: GroupSender | null = null;
  #collecting: TimerHandle | null = null;
  /** When losses are looked for next; infinite: not until something is sent. */
  #collectsAtMs = Number.POSITIVE_INFINITY;
  #collectedMs = Number.NEGATIVE_INFINITY;
  #isScheduled = false;
  /** Of the first write in the datagram that is being gathered to time out. */
  #deadlineMs = Number.POSITIVE_INFINITY;
  #datagrams = 0;
  #writes = 0;
  #bytes = 0;
  #faults = 0;
  #keptBytes = 0;

  constructor({ clock, random, log, seal, maxDatagramBytes }: MulticastSenderOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#seal = seal;
    this.#writer = new DatagramWriter(maxDatagramBytes);
    this.#maxDatagramBytes = maxDatagramBytes;
  }

  get figures(): SentFigures {
    return {
      datagrams: this.#datagrams,
      writes: this.#writes,
      bytes: this.#bytes,
      faults: this.#faults,
      keptBytes: this.#keptBytes,
      peers: Array.from(this.#paths, (path) => path.status()),
    };
  }

  start(socket: GroupSender): void {
    this.#socket = socket;
  }

  onFault(): void {
    this.#faults++;
  }

  pathTo(peer: DatagramPeer): DatagramPath {
    const path = new DatagramPath(peer, this.#reader, this.#random, this.#log, this.#release);
    this.#paths.add(path);
    return path;
  }

  /** The peer has left. */
  forget(path: DatagramPath): void {
    path.close();
    this.#paths.delete(path);
  }

  /** Whether a write of this size can be sent to so many peers now. */
  takes(messageBytes: number, receivers: number): boolean {
    return (
      this.#socket !== null &&
      receivers <= MAX_RECEIVERS &&
      datagramBytes(messageBytes, receivers) <= this.#maxDatagramBytes &&
      this.#keptBytes < MAX_KEPT_BYTES
    );
  }

  begin(messageBytes: number, receivers: number): void {
    // All receivers may be new in the datagram: that is nearly always so for its first write alone.
    const unnamed =
      this.#gathered.length === 0 ? receivers : Math.min(receivers, this.#paths.size - this.#gathered.length);
    if (!this.#writer.hasRoom(messageBytes, receivers, unnamed)) this.#flush();
    this.#receivers = 0;
  }

  /** @param id that the write has at this peer */
  address(path: DatagramPath, id: number): void {
    let { place } = path;
    if (place < 0) {
      place = this.#writer.addReceiver(path.tag);
      path.join(place);
      this.#gathered.push(path);
      this.#firstIds[place] = id;
      this.#requests[place] = 0;
    }
    this.#requests[place]++;
    // Their number is small, and they come in nearly the right order: the datagram wants their places rising.
    let at = this.#receivers++;
    for (; at > 0 && this.#places[at - 1] > place; at--) {
      this.#places[at] = this.#places[at - 1];
      this.#ids[at] = this.#ids[at - 1];
    }
    this.#places[at] = place;
    this.#ids[at] = id;
  }

  /** @param deadlineMs the monotonic time up to which the answers are waited for */
  end(message: Uint8Array, deadlineMs: number): void {
    if (this.#receivers === 0) return;
    this.#writer.addWrite(this.#places, this.#ids, this.#receivers, message);
    this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs);
    this.#writes++;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(this.#endOfTurn);
  }

  /** Sends what is gathered, and nothing after it. What is not answered goes over the connections that there are. */
  close(): void {
    if (this.#socket === null) return;
    this.#flush();
    this.#socket.close();
    this.#socket = null;
    this.#collecting?.cancel();
    this.#collecting = null;
    for (const path of this.#paths) path.giveUp();
  }

  readonly #endOfTurn = (): void => {
    this.#isScheduled = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#writer.isEmpty || this.#socket === null) return;
    const bytes = this.#writer.take();
    this.#seal.seal(bytes);
    const datagram = new SentDatagram(bytes, this.#clock.monotonicMs(), this.#deadlineMs);
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    let dueMs = Number.POSITIVE_INFINITY;
    datagram.keepers = this.#gathered.length;
    this.#keptBytes += bytes.length;
    for (const [place, path] of this.#gathered.entries()) {
      path.place = -1;
      // A connection that was lost since has failed its requests.
      if (path.tag === 0) this.#release(datagram);
      else dueMs = Math.min(dueMs, path.sent(datagram, place, this.#firstIds[place], this.#requests[place]));
    }
    this.#gathered.length = 0;
    this.#datagrams++;
    this.#bytes += bytes.length;
    this.#socket.send(bytes);
    this.#collectAt(dueMs);
  }

  readonly #release = (datagram: SentDatagram): void => {
    if (--datagram.keepers === 0) this.#keptBytes -= datagram.bytes.length;
  };

  /** One timer for all datagrams: it is set anew only for one that cannot wait for it. */
  #collectAt(dueMs: number): void {
    const atMs = Math.max(dueMs, this.#collectedMs + COLLECT_EVERY_MS);
    if (atMs >= this.#collectsAtMs) return;
    this.#collecting?.cancel();
    this.#collectsAtMs = atMs;
    this.#collecting = this.#clock.after(Math.ceil(atMs - this.#clock.monotonicMs()), this.#collect);
  }

  readonly #collect = (): void => {
    const nowMs = this.#clock.monotonicMs();
    this.#collecting = null;
    this.#collectsAtMs = Number.POSITIVE_INFINITY;
    this.#collectedMs = nowMs;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const path of this.#paths) {
      path.collect(nowMs);
      dueMs = Math.min(dueMs, path.dueMs);
    }
    this.#collectAt(dueMs);
  };
}
