import { Backoff } from '../backoff.ts';
import type { Clock, Random, TimerHandle } from '../clock.ts';
import { protocolError } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import type { Log } from '../log.ts';
import { failed, type ReplicaReply, type ReplySink } from '../reply.ts';
import type { Credentials } from './authentication.ts';
import type { SessionKey } from './cluster-secret.ts';
import {
  CANCEL_FRAME_BYTES,
  encodeCancel,
  encodeKeyRequest,
  encodePlainRequest,
  encodeWriteHead,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
  keyRequestBytes,
  maxMessageBytes,
  PLAIN_REQUEST_FRAME_BYTES,
  writeBytes,
  writeFrameLength,
  writeMessageId,
  writeMessageTimeout,
  writeRequestBytes,
} from './codec.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { DialHandshake } from './dial-handshake.ts';
import type { HandshakePolicy, Hello } from './handshake.ts';
import { InFlightTable } from './in-flight.ts';
import { Dropped } from './lane.ts';
import type { RpcLimits } from './limits.ts';
import type { Message } from './message.ts';
import type { DatagramPath, DatagramPeer } from './multicast/datagram-path.ts';
import type { MulticastSender } from './multicast/sender.ts';
import { sessionTag } from './multicast/session-tag.ts';
import { Arguments, type RpcOperation } from './operation-table.ts';
import { MessageKind } from './operations.ts';
import { PeerAvailability, type PeerState } from './peer-availability.ts';
import {
  IN_FLIGHT_FULL,
  KEY_TOO_LONG,
  NOT_SERVED,
  QUEUE_FULL,
  replyOf,
  STOPPING,
  TIMED_OUT,
  VALUE_TOO_LARGE,
} from './response.ts';
import type { RpcSession } from './session.ts';
import { ToldHistory } from './told-history.ts';
import type { Transport } from './transport.ts';

export interface PeerAddress {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
}

export interface PeerStatus {
  readonly id: string;
  readonly state: PeerState;
  /** When the state last changed, by the wall clock, in ms since the Unix epoch. */
  readonly since: number;
  readonly inFlight: number;
  readonly queuedBytes: number;
  /** Why the peer is not up; null while it is. */
  readonly lastError: string | null;
  /** Names the peer's data folder, as it said in the last handshake. */
  readonly incarnation: string | null;
}

/** What all peers of a node share. */
export interface PeerContext {
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits: RpcLimits;
  /** Null: every write goes over the connection of its peer. */
  readonly multicast: MulticastSender | null;
}

/**
 * The way to one peer: it keeps a connection, dials again when the connection is lost, and carries this node's
 * requests.
 */
export class Peer implements ConnectionOwner, DatagramPeer {
  readonly nodeId: string;
  /** The way by datagrams, which carries writes that go to several peers. */
  readonly datagrams: DatagramPath | null;
  readonly #address: PeerAddress;
  readonly #at: string;
  readonly #context: PeerContext;
  readonly #inFlight = new InFlightTable();
  readonly #reconnect: Backoff;
  readonly #refused: Backoff;
  readonly #pingAfterTicks: number;
  readonly #deadAfterTicks: number;
  readonly #history: ToldHistory;
  #connection: Connection | null = null;
  /** Of the current connection; null: there is none, or its handshake took too long. */
  #handshake: DialHandshake | null = null;
  #redial: TimerHandle | null = null;
  #handshakeDeadlineMs = 0;
  /** Whether the last attempt ended in a refusal by either side. */
  #isRefused = false;
  /** Whether the end of the connection is no fault: the whole cluster is stopping, or the peer is not in it any more. */
  mayLeave = false;
  #isClosing = false;
  readonly #closed = Promise.withResolvers<void>();
  readonly #availability: PeerAvailability;
  #incarnation: string | null = null;
  #features = 0;
  #maxMessageBytes = 0;
  #session: RpcSession | null = null;
  #sessionEnd = new AbortController();

  constructor(address: PeerAddress, context: PeerContext) {
    const { limits, policy, random } = context;
    this.nodeId = address.nodeId;
    this.#address = address;
    this.#at = `${address.host}:${address.port}`;
    this.#context = context;
    this.#reconnect = new Backoff(limits.reconnectMinMs, limits.reconnectMaxMs, random);
    this.#refused = new Backoff(limits.refusedMinMs, limits.refusedMaxMs, random);
    this.#pingAfterTicks = Math.ceil(limits.pingAfterMs / limits.tickMs);
    this.#deadAfterTicks = this.#pingAfterTicks + Math.ceil(limits.pongTimeoutMs / limits.tickMs);
    this.#history = new ToldHistory(policy, Math.ceil(limits.historyEveryMs / limits.tickMs));
    this.#availability = new PeerAvailability(address.nodeId, context.clock);
    this.datagrams = context.multicast?.pathTo(this) ?? null;
  }

  get isUp(): boolean {
    return this.#availability.state === 'up';
  }

  get host(): string {
    return this.#address.host;
  }

  /** That of the current connection; null while requests would not be sent. */
  get session(): RpcSession | null {
    return this.#isClosing ? null : this.#session;
  }

  /** What a request is answered with while there is no session. */
  get unavailable(): ReplicaReply {
    return this.#availability.unavailable;
  }

  /** Whether it was told to close, and has no connection any more. */
  get isClosed(): boolean {
    return this.#isClosing && this.#connection === null;
  }

  /** Whether it is the way to this node at this address, and takes requests for it. */
  isAt({ nodeId, host, port }: PeerAddress): boolean {
    if (this.#isClosing) return false;
    return this.nodeId === nodeId && this.#address.host === host && this.#address.port === port;
  }

  status(): PeerStatus {
    return {
      id: this.nodeId,
      state: this.#availability.state,
      since: this.#availability.sinceMs,
      inFlight: this.#inFlight.count,
      queuedBytes: this.#connection?.outbox.queuedBytes ?? 0,
      lastError: this.#availability.lastError,
      incarnation: this.#incarnation,
    };
  }

  dial(): void {
    if (this.#isClosing || this.#connection !== null) return;
    this.#redial?.cancel();
    this.#redial = null;
    const { transport, clock, credentials, policy, limits } = this.#context;
    const { host, port } = this.#address;
    this.#isRefused = false;
    this.#handshakeDeadlineMs = clock.monotonicMs() + limits.dialTimeoutMs;
    const { nodeId } = this;
    this.#handshake = new DialHandshake({ nodeId, at: this.#at, policy, credentials, owner: this });
    const { maxValueBytes } = policy.localHello(nodeId);
    this.#connection = new Connection(
      transport.dial(host, port),
      clock,
      this,
      maxMessageBytes(maxValueBytes),
    );
  }

  /** The peer was seen alive, so the next attempt need not wait. */
  dialSoon(): void {
    if (this.#redial !== null) this.dial();
  }

  /** @param key empty for an operation without one */
  ask(operation: RpcOperation, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const hasKey = operation.arguments !== Arguments.none;
    const frameBytes = hasKey ? FRAME_LENGTH_BYTES + keyRequestBytes(key.length) : PLAIN_REQUEST_FRAME_BYTES;
    let refusal = this.refusalOf(frameBytes);
    if (refusal === null && frameBytes > FRAME_LENGTH_BYTES + FRAGMENT_BYTES) refusal = KEY_TOO_LONG;
    if (refusal === null && (this.#features & operation.feature) !== operation.feature) refusal = NOT_SERVED;
    if (refusal !== null || this.#connection === null) {
      sink.onReply(position, refusal ?? this.#availability.unavailable);
      return;
    }
    const { outbox } = this.#connection;
    const lane = operation.isBackground ? outbox.background : outbox.foreground;
    const deadlineMs = this.#context.clock.monotonicMs() + timeoutMs;
    const id = this.#inFlight.add(sink, position, deadlineMs, false, operation.answersRecord);
    const at = outbox.reserve(lane, frameBytes);
    if (hasKey) encodeKeyRequest(lane.bytes, at, id, operation.number, timeoutMs, key);
    else encodePlainRequest(lane.bytes, at, id, operation.number, timeoutMs);
  }

  /**
   * Asks for an operation with a key and a record.
   * @param record one that travels in fragments is not copied: it must stay as it is until the reply
   */
  askWithRecord(
    operation: RpcOperation,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const messageBytes = writeRequestBytes(key.length, record.length);
    const isLarge = messageBytes > FRAGMENT_BYTES;
    let refusal = this.refusalOf(isLarge ? messageBytes : FRAME_LENGTH_BYTES + messageBytes);
    if (refusal === null && messageBytes > this.#maxMessageBytes) refusal = VALUE_TOO_LARGE;
    if (refusal === null && (this.#features & operation.feature) !== operation.feature) refusal = NOT_SERVED;
    if (refusal !== null || this.#connection === null) {
      sink.onReply(position, refusal ?? this.#availability.unavailable);
      return;
    }
    const { outbox } = this.#connection;
    const lane = operation.isBackground ? outbox.background : outbox.foreground;
    const deadlineMs = this.#context.clock.monotonicMs() + timeoutMs;
    const id = this.#inFlight.add(sink, position, deadlineMs, isLarge, operation.answersRecord);
    if (isLarge) {
      const head = Buffer.allocUnsafe(messageBytes - record.length);
      encodeWriteHead(head, 0, id, operation.number, timeoutMs, key, record.length);
      outbox.appendLarge(lane, { id, head, body: record });
      return;
    }
    const at = outbox.reserve(lane, FRAME_LENGTH_BYTES + messageBytes);
    encodeWriteRequest(lane.bytes, at, id, operation.number, timeoutMs, key, record);
  }

  /**
   * Sends a request that was encoded once for all peers: only its id is this peer's own.
   * @param deadlineMs the monotonic time up to which its answer is waited for
   * @returns why it was not sent; null: it was sent, and its sink will be called
   */
  sendFrame(frame: Uint8Array, deadlineMs: number, sink: ReplySink, position: number): ReplicaReply | null {
    const refusal = this.refusalOf(frame.length);
    if (refusal !== null || this.#connection === null) return refusal ?? this.#availability.unavailable;
    const id = this.expect(deadlineMs, sink, position);
    const { outbox } = this.#connection;
    const lane = outbox.foreground;
    const at = outbox.append(lane, frame);
    writeMessageId(lane.bytes, at + FRAME_LENGTH_BYTES, id);
    return null;
  }

  /** The same for a request that travels in fragments: its message is `head` and, behind it, `body`. */
  sendLarge(
    head: Uint8Array,
    body: Uint8Array,
    deadlineMs: number,
    sink: ReplySink,
    position: number,
  ): ReplicaReply | null {
    const messageBytes = head.length + body.length;
    let refusal = this.refusalOf(messageBytes);
    if (refusal === null && messageBytes > this.#maxMessageBytes) refusal = VALUE_TOO_LARGE;
    if (refusal !== null || this.#connection === null) return refusal ?? this.#availability.unavailable;
    const id = this.#inFlight.add(sink, position, deadlineMs, true, false);
    const { outbox } = this.#connection;
    const ownHead = Buffer.from(head);
    writeMessageId(ownHead, 0, id);
    outbox.appendLarge(outbox.foreground, { id, head: ownHead, body });
    return null;
  }

  /**
   * Takes note of a write that is sent in one frame, or in a datagram, after `refusalOf` had nothing against it.
   * @param deadlineMs the monotonic time up to which its answer is waited for
   * @returns the id to send it with
   */
  expect(deadlineMs: number, sink: ReplySink, position: number): number {
    return this.#inFlight.add(sink, position, deadlineMs, false, false);
  }

  /**
   * The write with this id went out in a datagram: sends it over the connection, unless its answer has come or its time
   * is up.
   */
  resend(id: number, message: Uint8Array): boolean {
    const request = this.#inFlight.find(id);
    if (request === undefined) return false;
    const { limits, clock } = this.#context;
    const outbox = this.#connection?.outbox;
    const frameBytes = FRAME_LENGTH_BYTES + message.length;
    const leftMs = request.deadlineMs - clock.monotonicMs();
    // Its time then runs out, as that of every request that finds no way.
    if (leftMs <= 0 || outbox === undefined || outbox.queuedBytes + frameBytes > limits.maxQueuedBytes)
      return true;
    const lane = outbox.foreground;
    const start = outbox.reserve(lane, frameBytes);
    const at = writeFrameLength(lane.bytes, start, message.length);
    writeBytes(lane.bytes, at, message);
    writeMessageId(lane.bytes, at, id);
    writeMessageTimeout(lane.bytes, at, Math.ceil(leftMs));
    return true;
  }

  /** Checks deadlines and silence. */
  tick(nowMs: number): void {
    // Before those whose time is up are taken out: afterwards they could not be told from those that are answered.
    this.datagrams?.tick(nowMs);
    const expired = this.#inFlight.takeExpired(nowMs);
    for (const { id, isLarge, sink, position } of expired) {
      this.#forget(id, isLarge);
      sink.onReply(position, TIMED_OUT);
    }
    if (expired.length > 0 && this.#isClosing) this.#closeWhenIdle();
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#availability.state === 'up') {
      this.#history.tick(connection);
      this.#watch(connection);
    } else if (nowMs >= this.#handshakeDeadlineMs) {
      this.#handshake = null;
      connection.destroy(`no handshake within ${this.#context.limits.dialTimeoutMs} ms`);
    }
  }

  /**
   * Takes no more requests, and closes the connection once those in flight are answered or timed out.
   * @param refusal what later requests are answered with
   */
  close(refusal = STOPPING): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#availability.stop(refusal);
      this.#redial?.cancel();
      this.#redial = null;
    }
    this.#closeWhenIdle();
    return this.#closed.promise;
  }

  /** Closes at once; requests in flight fail. */
  abort(): void {
    void this.close();
    this.#connection?.destroy(this.#availability.unavailable.reason);
  }

  /** Does nothing, because the listener speaks first. */
  onOpen(): void {}

  onMessage(message: Message): void {
    switch (message.kind) {
      case MessageKind.response:
        if (this.#availability.state !== 'up') throw protocolError('an answer before the handshake');
        this.#onResponse(message);
        break;
      default:
        if (this.#connection !== null) this.#handshake?.onMessage(this.#connection, message);
    }
  }

  onHelloSent(hello: Hello): void {
    this.#history.toldBefore(hello.history.progress);
  }

  onWelcome(hello: Hello, key: SessionKey): void {
    this.#incarnation = hello.incarnation;
    this.#features = hello.features;
    this.#maxMessageBytes = maxMessageBytes(hello.maxValueBytes);
    const local = this.#context.policy.localHello(this.nodeId);
    this.datagrams?.open(sessionTag(key, local.features & hello.features));
    this.#reconnect.reset();
    this.#refused.reset();
    this.#sessionEnd = new AbortController();
    this.#session = { peer: hello, key, ended: this.#sessionEnd.signal };
    this.#availability.become('up');
    this.#context.log.info(`Connected to node ${this.nodeId} at ${this.#at}`);
  }

  onRefused(sentence: string, reason: string): void {
    const { state, lastError } = this.#availability;
    // It is logged once, and not at every attempt.
    if (state !== 'refused' || lastError !== reason) this.#context.log.warn(sentence);
    this.#isRefused = true;
    this.#availability.become('refused', reason);
  }

  onDrained(): void {}

  onClosed(reason: string, isFault: boolean): void {
    const handshake = this.#handshake;
    const isProofUnanswered = handshake?.isAnswerDue === true && !isFault && !this.#isClosing;
    this.#connection = null;
    this.#handshake = null;
    this.#session = null;
    const { log, clock } = this.#context;
    if (isFault) log.warn(`Closed the connection to node ${this.nodeId} at ${this.#at}: it sent ${reason}`);
    // The connection may have ended for another reason, so the next attempt is not delayed as after a refusal.
    if (isProofUnanswered) handshake.refuseUnproved();
    else if (!this.#isRefused) this.#becomeDown(reason);
    this.datagrams?.close();
    // Requests in flight fail after the state has changed, so that a sink that asks again gets its answer at once.
    const lost = failed(FailureCode.peerLost, this.#availability.unavailable.reason);
    for (const { sink, position } of this.#inFlight.takeAll()) sink.onReply(position, lost);
    this.#sessionEnd.abort();
    if (this.#isClosing) {
      this.#closed.resolve();
      return;
    }
    const backoff = this.#isRefused && !isProofUnanswered ? this.#refused : this.#reconnect;
    this.#redial = clock.after(backoff.nextMs(), () => this.dial());
  }

  #closeWhenIdle(): void {
    if (this.#connection === null) this.#closed.resolve();
    else if (this.#inFlight.count === 0) this.#connection.destroy(this.#availability.unavailable.reason);
  }

  /** Why a request of this size cannot be sent now; null when it can. */
  refusalOf(bytes: number): ReplicaReply | null {
    if (this.#availability.state !== 'up' || this.#isClosing || this.#connection === null)
      return this.#availability.unavailable;
    const { limits } = this.#context;
    if (this.#inFlight.count >= limits.maxInFlight) return IN_FLIGHT_FULL;
    if (this.#connection.outbox.queuedBytes + bytes > limits.maxQueuedBytes) return QUEUE_FULL;
    return null;
  }

  /**
   * Stops the work for a large value that has timed out. For a small one, the message would cost more than it saves.
   */
  #forget(id: number, isLarge: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    const isComing = connection.assemblies.has(id);
    if (isComing) connection.assemblies.drop(id);
    const dropped = isLarge ? connection.outbox.dropLarge(id) : Dropped.notFound;
    if (!isComing && dropped !== Dropped.partlySent) return;
    const { foreground } = connection.outbox;
    const at = connection.outbox.reserve(foreground, CANCEL_FRAME_BYTES);
    encodeCancel(foreground.bytes, at, id);
  }

  #watch(connection: Connection): void {
    const silentTicks = connection.silence.tick();
    if (silentTicks === this.#pingAfterTicks) connection.ping();
    if (silentTicks < this.#deadAfterTicks) return;
    const { pingAfterMs, pongTimeoutMs } = this.#context.limits;
    connection.reset(`no sign of life for ${pingAfterMs + pongTimeoutMs} ms`);
  }

  #onResponse(message: Message): void {
    const request = this.#inFlight.find(message.id);
    // The request has timed out, and the sender has got its answer.
    if (request === undefined) return;
    const { sink, position, wantsRecord } = request;
    this.#inFlight.free(request);
    this.datagrams?.onAnswer(message.id, this.#context.clock);
    sink.onReply(position, replyOf(message, wantsRecord));
    if (this.#isClosing) this.#closeWhenIdle();
  }

  #becomeDown(reason: string): void {
    const { log } = this.#context;
    const { state } = this.#availability;
    if (this.#isClosing || (this.mayLeave && state === 'up'))
      log.info(`Closed the connection to node ${this.nodeId} at ${this.#at}`);
    else if (state === 'up') log.warn(`Lost node ${this.nodeId} at ${this.#at}: ${reason}`);
    else if (state !== 'down') log.info(`Cannot reach node ${this.nodeId} at ${this.#at}: ${reason}`);
    this.#availability.become('down', reason);
  }
}
