/**
 * A network in memory: streams between named hosts over an injected clock. Links may be slow, and blocked in one
 * direction or both; hosts may freeze, and end as a process or as a machine. memory-stream.ts has one end of a stream.
 */
import type { Clock, Random } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import type { ByteStream, Listener, Transport } from '../rpc/transport.ts';
import { Links } from './links.ts';
import { MemoryStream } from './memory-stream.ts';

export class MemoryNetwork {
  readonly clock: Clock;
  readonly random: Random;
  readonly links = new Links(
    () => this.#wakeAll(),
    (from, to, oldRate, newRate) => this.#changeRate(from, to, oldRate, newRate),
  );
  latencyMs = 1;
  /** How much one direction of a stream holds before its writer has to wait. */
  bufferBytes = 64 * 1024;
  readonly #accepting = new Map<string, (stream: ByteStream) => void>();
  readonly #frozen = new Set<string>();
  readonly #streams = new Set<MemoryStream>();
  #nextPort = 1;
  /** What was written to all streams so far. */
  carriedBytes = 0;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** The network as one host sees it. */
  transport(host: string): Transport {
    return {
      dial: (toHost, port) => this.#dial(host, toHost, port),
      listen: async (_host, port, onStream) => this.#listen(host, port, onStream),
    };
  }

  /** The host's process stops running: it reads and writes nothing, but its connections stay. */
  freeze(host: string): void {
    this.#frozen.add(host);
  }

  thaw(host: string): void {
    this.#frozen.delete(host);
    this.#wakeAll();
  }

  isFrozen(host: string): boolean {
    return this.#frozen.has(host);
  }

  /** Cuts every stream that `chosen` selects; bytes on their way are lost. */
  cut(chosen: (fromHost: string, toHost: string) => boolean = () => true): void {
    for (const stream of [...this.#streams]) {
      if (chosen(stream.host, stream.peer.host)) stream.reset('cut');
    }
  }

  /**
   * Cuts the streams of a host at its end alone. What it has sent arrives up to `lateMs` later, behind what it sends over
   * new streams meanwhile; then the other end notices.
   */
  cutLate(host: string, lateMs: number): void {
    for (const stream of [...this.#streams]) {
      if (stream.host !== host) continue;
      stream.peer.delayBy(this.random() * lateMs);
      stream.destroy('cut');
    }
  }

  /**
   * The process of a host ends without a word, and its system closes what it had open. Its handlers hear nothing more.
   */
  endProcess(host: string): void {
    this.#forgetProcess(host);
    for (const stream of [...this.#streams]) {
      if (stream.host !== host) continue;
      stream.abandon();
      if (this.random() < 0.5) stream.destroy('killed');
      else stream.reset('killed');
    }
  }

  /** The machine of a host stops: others hear nothing of it, until it answers again and knows none of their streams. */
  turnOff(host: string): void {
    this.#forgetProcess(host);
    this.links.turnOff(host);
    for (const stream of [...this.#streams]) if (stream.host === host) stream.abandon();
    for (const stream of [...this.#streams]) if (stream.host === host) stream.reset('the machine stopped');
  }

  turnOn(host: string): void {
    this.links.turnOn(host);
  }

  #forgetProcess(host: string): void {
    this.#frozen.delete(host);
    for (const name of [...this.#accepting.keys()])
      if (name.slice(0, name.lastIndexOf(':')) === host) this.#accepting.delete(name);
  }

  #wakeAll(): void {
    for (const stream of this.#streams) stream.wake();
  }

  #changeRate(from: string, to: string, oldRate: number, newRate: number): void {
    for (const stream of this.#streams)
      if (stream.host === to && stream.peer.host === from) stream.changeRate(oldRate, newRate);
  }

  /** How many bytes on their way to a host it has not read. */
  undelivered(host: string): number {
    let bytes = 0;
    for (const stream of this.#streams) if (stream.host === host) bytes += stream.incomingBytes;
    return bytes;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Those of them whose other end is closed, and that have not heard of it. */
  get loneEnds(): number {
    let ends = 0;
    for (const stream of this.#streams) if (stream.peer.isClosed) ends++;
    return ends;
  }

  forget(stream: MemoryStream): void {
    this.#streams.delete(stream);
  }

  #listen(host: string, port: number, onStream: (stream: ByteStream) => void): Listener {
    const bound = port === 0 ? this.#nextPort++ : port;
    const name = `${host}:${bound}`;
    if (this.#accepting.has(name)) throw new QuorateError('ADDRESS_IN_USE', `${name} is taken`);
    this.#accepting.set(name, onStream);
    return {
      port: bound,
      close: async () => {
        this.#accepting.delete(name);
      },
    };
  }

  #dial(fromHost: string, toHost: string, port: number): ByteStream {
    const dialled = new MemoryStream(this, fromHost, `${toHost}:${port}`, true);
    const accepted = new MemoryStream(this, toHost, `${fromHost}:dialled`, false);
    dialled.peer = accepted;
    accepted.peer = dialled;
    this.clock.after(this.latencyMs + this.links.delayMs(fromHost, toHost), () => {
      // A packet that is lost is not answered: whoever dials loses patience.
      if (!this.links.isOpen(fromHost, toHost) || !this.links.isOpen(toHost, fromHost)) return;
      const accept = this.#accepting.get(`${toHost}:${port}`);
      if (accept === undefined || dialled.isClosed) {
        dialled.refuse();
        return;
      }
      this.#streams.add(dialled);
      this.#streams.add(accepted);
      // As with a kernel, the connection is there before the process has accepted it.
      dialled.open();
      accepted.acceptInto(accept);
    });
    return dialled;
  }
}
