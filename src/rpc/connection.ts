import type { Clock } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import { Assemblies } from './assembly.ts';
import { MAX_PROOF_FRAME_BYTES } from './authentication.ts';
import { MAX_FRAME_BYTES, PING_FRAME, PONG_FRAME } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { MAX_HELLO_BYTES } from './hello.ts';
import { Message } from './message.ts';
import { MessageDecoder } from './message-decoder.ts';
import { MessageKind } from './operations.ts';
import { Outbox } from './outbox.ts';
import { Silence } from './silence.ts';
import type { ByteStream, StreamHandler } from './transport.ts';

const MAX_QUEUED_BEFORE_PONG = 1024 * 1024;

/** The side of a conversation that uses the connection: the one that dialled, or the one that accepted. */
export interface ConnectionOwner {
  onOpen(): void;
  /**
   * A message other than fragments and pings, which the connection handles itself. The object is filled anew for the
   * next message. It may throw PROTOCOL, which closes the connection.
   */
  onMessage(message: Message): void;
  /** The socket has taken everything that was gathered so far. */
  onDrained(): void;
  /**
   * Called exactly once.
   * @param isFault the other side sent something that no node sends
   */
  onClosed(reason: string, isFault: boolean): void;
}

/**
 * One stream to or from a peer. It cuts the stream into messages, puts fragments together, answers pings, and gathers
 * what is to be sent. Both sides use it; their owners give the messages a meaning.
 */
export class Connection implements StreamHandler {
  readonly outbox: Outbox;
  readonly stream: ByteStream;
  readonly assemblies: Assemblies;
  readonly silence = new Silence();
  isClosed = false;
  readonly #owner: ConnectionOwner;
  readonly #splitter: FrameSplitter;
  readonly #decoder = new MessageDecoder();
  readonly #message = new Message();
  /** The chunk that is being read, if its memory is used again afterwards. */
  #passing: Buffer | null = null;
  #isEstablished = false;
  #faulty = false;

  /** @param maxMessageBytes the largest message that is accepted */
  constructor(stream: ByteStream, clock: Clock, owner: ConnectionOwner, maxMessageBytes: number) {
    this.stream = stream;
    this.#owner = owner;
    this.outbox = new Outbox(stream, clock);
    this.assemblies = new Assemblies(maxMessageBytes);
    this.#splitter = new FrameSplitter(this, MAX_PROOF_FRAME_BYTES);
    stream.start(this);
  }

  /** The other side has proved itself, so its hello may be longer than a proof. */
  admitHello(): void {
    this.#splitter.setMaxFrameBytes(MAX_HELLO_BYTES);
  }

  /** The handshake is over: any message may come. */
  establish(): void {
    this.#isEstablished = true;
    this.#splitter.setMaxFrameBytes(MAX_FRAME_BYTES);
  }

  ping(): void {
    this.outbox.append(this.outbox.foreground, PING_FRAME);
  }

  /** Closes at once; `onClosed` follows. */
  destroy(reason: string): void {
    if (this.#shut()) this.stream.destroy(reason);
  }

  /** The same as `destroy`, but the other side loses what it has not read yet. */
  reset(reason: string): void {
    if (this.#shut()) this.stream.reset(reason);
  }

  onOpen(): void {
    this.#owner.onOpen();
  }

  onData(chunk: Buffer): void {
    if (this.isClosed) return;
    this.silence.hear();
    this.#passing = this.stream.reusesChunks ? chunk : null;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'PROTOCOL') throw error;
      this.#faulty = true;
      this.destroy(error.message);
    } finally {
      this.#passing = null;
      this.#decoder.clear(this.#message);
    }
  }

  onFrame(bytes: Buffer, start: number, end: number): boolean {
    const message = this.#message;
    message.isPassing = bytes === this.#passing;
    this.#decoder.decode(bytes, start, end, message);
    switch (message.kind) {
      case MessageKind.fragment: {
        this.#checkEstablished();
        const whole = this.assemblies.add(message.id, message.total, message.offset, message.body());
        if (whole !== null) this.#onWhole(whole);
        // The assembly has copied the fragment.
        return false;
      }
      case MessageKind.ping:
        this.#checkEstablished();
        // A peer that pings without reading must not fill the memory with answers.
        if (this.outbox.queuedBytes < MAX_QUEUED_BEFORE_PONG) {
          this.outbox.append(this.outbox.foreground, PONG_FRAME);
        }
        break;
      case MessageKind.pong:
        this.#checkEstablished();
        break;
      default:
        this.#owner.onMessage(message);
    }
    return true;
  }

  onDrain(): void {
    this.outbox.drained();
    this.#owner.onDrained();
  }

  onClose(reason: string): void {
    this.isClosed = true;
    this.outbox.close();
    this.#owner.onClosed(reason, this.#faulty);
  }

  #shut(): boolean {
    if (this.isClosed) return false;
    this.isClosed = true;
    this.outbox.close();
    return true;
  }

  #onWhole(whole: Buffer): void {
    const message = this.#message;
    message.isPassing = false;
    this.#decoder.decode(whole, 0, whole.length, message);
    if (message.kind !== MessageKind.request && message.kind !== MessageKind.response) {
      throw new QuorateError('PROTOCOL', `a message of kind ${message.kind} in fragments`);
    }
    this.#owner.onMessage(message);
  }

  #checkEstablished(): void {
    if (!this.#isEstablished) throw new QuorateError('PROTOCOL', 'a frame before the handshake');
  }
}
