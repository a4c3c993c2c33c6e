import type { Clock } from '../clock.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply, type ReplySink } from '../reply.ts';
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
import type { Connection } from './connection.ts';
import type { Hello } from './handshake.ts';
import { InFlightTable } from './in-flight.ts';
import { Dropped } from './lane.ts';
import type { RpcLimits } from './limits.ts';
import type { Message } from './message.ts';
import type { DatagramPath, DatagramPeer } from './multicast/datagram-path.ts';
import type { MulticastSender } from './multicast/sender.ts';
import { Arguments, type RpcOperation } from './operation-table.ts';
import type { PeerAvailability } from './peer-availability.ts';
import {
  IN_FLIGHT_FULL,
  KEY_TOO_LONG,
  NOT_SERVED,
  QUEUE_FULL,
  replyOf,
  TIMED_OUT,
  VALUE_TOO_LARGE,
} from './response.ts';

interface RequestChannelContext {
  readonly clock: Clock;
  readonly limits: RpcLimits;
  /** Null: every write goes over the connection. */
  readonly multicast: MulticastSender | null;
}

/**
 * This node's requests to one peer. They go over the connection while there is a session, and each calls its sink
 * exactly once: with the answer, or with a failed reply when there is no session, a bound is reached, the connection is
 * lost or the time is up.
 */
export class RequestChannel implements DatagramPeer {
  readonly nodeId: string;
  /** The way by datagrams, which carries writes that go to several peers. */
  readonly datagrams: DatagramPath | null;
  readonly #availability: PeerAvailability;
  readonly #clock: Clock;
  readonly #limits: RpcLimits;
  readonly #inFlight = new InFlightTable();
  /** Null: there is no session. */
  #connection: Connection | null = null;
  #features = 0;
  #maxMessageBytes = 0;
  #isStopped = false;

  constructor(availability: PeerAvailability, { clock, limits, multicast }: RequestChannelContext) {
    this.nodeId = availability.nodeId;
    this.#availability = availability;
    this.#clock = clock;
    this.#limits = limits;
    this.datagrams = multicast?.pathTo(this) ?? null;
  }

  /** How many wait for an answer. */
  get count(): number {
    return this.#inFlight.count;
  }

  /** What a request is answered with while there is no session. */
  get unavailable(): ReplicaReply {
    return this.#availability.unavailable;
  }

  /**
   * A session has begun.
   * @param tag names it in datagrams; 0: without them
   */
  open(connection: Connection, { features, maxValueBytes }: Hello, tag: number): void {
    this.#connection = connection;
    this.#features = features;
    this.#maxMessageBytes = maxMessageBytes(maxValueBytes);
    this.datagrams?.open(tag);
  }

  /** The connection is lost, if there was one: no answer comes any more. */
  lose(): void {
    this.#connection = null;
    this.datagrams?.close();
    const lost = failed(FailureCode.peerLost, this.unavailable.reason);
    for (const { sink, position } of this.#inFlight.takeAll()) sink.onReply(position, lost);
  }

  /** Takes no more requests: each is answered with `refusal`. */
  stop(refusal: ReplicaReply): void {
    this.#isStopped = true;
    this.#availability.stop(refusal);
  }

  /** @param key empty for an operation without one */
  ask(operation: RpcOperation, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const hasKey = operation.arguments !== Arguments.none;
    const frameBytes = hasKey ? FRAME_LENGTH_BYTES + keyRequestBytes(key.length) : PLAIN_REQUEST_FRAME_BYTES;
    let refusal = this.refusalOf(frameBytes);
    if (refusal === null && frameBytes > FRAME_LENGTH_BYTES + FRAGMENT_BYTES) refusal = KEY_TOO_LONG;
    if (refusal === null && (this.#features & operation.feature) !== operation.feature) refusal = NOT_SERVED;
    if (refusal !== null || this.#connection === null) {
      sink.onReply(position, refusal ?? this.unavailable);
      return;
    }
    const { outbox } = this.#connection;
    const lane = operation.isBackground ? outbox.background : outbox.foreground;
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
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
      sink.onReply(position, refusal ?? this.unavailable);
      return;
    }
    const { outbox } = this.#connection;
    const lane = operation.isBackground ? outbox.background : outbox.foreground;
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
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
    if (refusal !== null || this.#connection === null) return refusal ?? this.unavailable;
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
    if (refusal !== null || this.#connection === null) return refusal ?? this.unavailable;
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
    const outbox = this.#connection?.outbox;
    const frameBytes = FRAME_LENGTH_BYTES + message.length;
    const leftMs = request.deadlineMs - this.#clock.monotonicMs();
    // Its time then runs out, as that of every request that finds no way.
    if (leftMs <= 0 || outbox === undefined || outbox.queuedBytes + frameBytes > this.#limits.maxQueuedBytes)
      return true;
    const lane = outbox.foreground;
    const start = outbox.reserve(lane, frameBytes);
    const at = writeFrameLength(lane.bytes, start, message.length);
    writeBytes(lane.bytes, at, message);
    writeMessageId(lane.bytes, at, id);
    writeMessageTimeout(lane.bytes, at, Math.ceil(leftMs));
    return true;
  }

  /** The peer has answered. */
  onResponse(message: Message): void {
    const request = this.#inFlight.find(message.id);
    // The request has timed out, and the sender has got its answer.
    if (request === undefined) return;
    const { sink, position, wantsRecord } = request;
    this.#inFlight.free(request);
    this.datagrams?.onAnswer(message.id, this.#clock);
    sink.onReply(position, replyOf(message, wantsRecord));
  }

  /**
   * Answers those whose time is up.
   * @returns whether there were any
   */
  tick(nowMs: number): boolean {
    // Before they are taken out: afterwards they could not be told from those that are answered.
    this.datagrams?.tick(nowMs);
    const expired = this.#inFlight.takeExpired(nowMs);
    for (const { id, isLarge, sink, position } of expired) {
      this.#forget(id, isLarge);
      sink.onReply(position, TIMED_OUT);
    }
    return expired.length > 0;
  }

  /** Why a request of this size cannot be sent now; null when it can. */
  refusalOf(bytes: number): ReplicaReply | null {
    if (this.#availability.state !== 'up' || this.#isStopped || this.#connection === null)
      return this.unavailable;
    const limits = this.#limits;
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
}
