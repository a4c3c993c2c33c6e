import type { Clock } from '../clock.ts';
import { errorMessage, protocolError, QuorateError } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import type { LimitedLog } from '../limited-log.ts';
import type { Log } from '../log.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import { Authentication, type Credentials } from './authentication.ts';
import { SAME_SECRET } from './cluster-secret.ts';
import {
  encodeFailedResponse,
  encodeReason,
  encodeRefusal,
  encodeResponse,
  encodeResponseHead,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
  failedResponseFrameBytes,
  maxMessageBytes,
  responseBytes,
} from './codec.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { type HandshakePolicy, type Hello, judgeAddressee, judgeProtocol } from './handshake.ts';
import { decodeHello, decodeHistory, encodeHello } from './hello.ts';
import type { Lane } from './lane.ts';
import type { RpcLimits } from './limits.ts';
import type { Message } from './message.ts';
import { AdmittedIds } from './multicast/admitted-ids.ts';
import { type DatagramSession, Intake, type MulticastReceiver } from './multicast/receiver.ts';
import { sessionTag } from './multicast/session-tag.ts';
import { OPERATIONS, type RpcOperation, WRITE } from './operation-table.ts';
import { MessageKind } from './operations.ts';
import type { ReplicaHandler } from './replica-handler.ts';
import type { RpcSession } from './session.ts';
import type { ByteStream } from './transport.ts';

/** Kinds of log lines that can be caused by a stranger, or by a member whose configuration is wrong. */
type StrangerLine = 'garbage' | 'proof' | 'refusal' | 'full';

const MAX_QUEUED_REFUSALS_BYTES = 1024 * 1024;

/** What all connections of a server share. */
export interface ServerContext {
  readonly handler: ReplicaHandler;
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly log: Log;
  /** The log for lines that somebody can cause who has not proved anything. */
  readonly strangerLog: LimitedLog<StrangerLine>;
  readonly limits: RpcLimits;
  /** Null: no datagrams are heard. */
  readonly multicast: MulticastReceiver | null;
  /** The handshake is over: a node of this cluster has connected. */
  readonly onMember: (connection: ServerConnection, nodeId: string) => void;
  /** Called before the peer hears that the handshake is over. */
  readonly onSession: (session: RpcSession) => void;
  readonly onClosed: (connection: ServerConnection) => void;
}

/**
 * One peer's connection to this node. It judges the peer's hello, hands its requests to the replica, and sends the
 * answers. The token of a request is its id. Reading stops while too many requests are being served or too many answers
 * wait to be sent, and goes on when half of them are done.
 */
export class ServerConnection implements ConnectionOwner, DatagramSession {
  readonly #context: ServerContext;
  readonly #connection: Connection;
  readonly #authentication: Authentication;
  readonly #handshakeDeadlineMs: number;
  readonly #idleTicks: number;
  readonly #foreground: ReplySink;
  readonly #background: ReplySink;
  readonly #sessionEnd = new AbortController();
  #peerNodeId: string | null = null;
  #peerIncarnation = '';
  #underWay = 0;
  /** Null: the peer sends no datagrams in this session. */
  #admitted: AdmittedIds | null = null;
  #multicastTag = 0;
  #isPaused = false;
  /** Whether it is closing: messages that still come are ignored. */
  #isEnding = false;
  #isDraining = false;

  constructor(stream: ByteStream, context: ServerContext) {
    const { clock, policy, limits } = context;
    this.#context = context;
    this.#handshakeDeadlineMs = clock.monotonicMs() + limits.handshakeTimeoutMs;
    this.#idleTicks = Math.ceil(limits.idleTimeoutMs / limits.tickMs);
    this.#connection = new Connection(
      stream,
      clock,
      this,
      maxMessageBytes(policy.localHello(null).maxValueBytes),
    );
    this.#authentication = new Authentication('listener', context.credentials);
    const { outbox } = this.#connection;
    outbox.append(outbox.foreground, this.#authentication.challenge());
    this.#foreground = { onReply: (token, reply) => this.#answer(outbox.foreground, token, reply) };
    this.#background = { onReply: (token, reply) => this.#answer(outbox.background, token, reply) };
  }

  /** The address without its port. */
  get remoteHost(): string {
    const { remoteAddress } = this.#connection.stream;
    return remoteAddress.slice(0, remoteAddress.lastIndexOf(':'));
  }

  /** Null before the end of the handshake. */
  get peerNodeId(): string | null {
    return this.#peerNodeId;
  }

  /** Checks the handshake's deadline and silence. */
  tick(nowMs: number): void {
    if (this.#peerNodeId === null) {
      if (nowMs >= this.#handshakeDeadlineMs) this.destroy('no handshake in time');
      return;
    }
    const silentTicks = this.#connection.silence.tick();
    if (silentTicks < this.#idleTicks) return;
    // While the replica is so busy that nothing is read, nothing can come.
    if (this.#isPaused && this.#underWay > this.#context.limits.maxUnderWay / 2) return;
    const { idleTimeoutMs } = this.#context.limits;
    this.#context.log.warn(
      `Closed the connection from ${this.#who()}: no sign of life for ${idleTimeoutMs} ms`,
    );
    this.#connection.reset('no sign of life');
  }

  /** Answers the requests that are being served, then closes; requests that still come are refused. */
  drain(): void {
    this.#isDraining = true;
    this.#endWhenIdle();
  }

  destroy(reason: string): void {
    this.#connection.destroy(reason);
  }

  onOpen(): void {}

  onMessage(message: Message): void {
    if (this.#isEnding) return;
    switch (message.kind) {
      case MessageKind.request:
        if (this.#peerNodeId === null) throw protocolError('a request before the handshake');
        this.#serve(message);
        break;
      case MessageKind.cancel:
        if (this.#peerNodeId === null) throw protocolError('a cancel before the handshake');
        this.#connection.assemblies.drop(message.id);
        this.#connection.outbox.dropLarge(message.id);
        break;
      case MessageKind.proof:
        this.#onProof(message.body());
        break;
      case MessageKind.seal:
        this.#authentication.onSeal(message.body());
        break;
      case MessageKind.hello:
        if (this.#peerNodeId !== null) throw protocolError('a second handshake');
        this.#authentication.checkSealed(message.body());
        this.#judge(decodeHello(message.body()));
        break;
      case MessageKind.history:
        if (this.#peerNodeId === null) throw protocolError('a history before the handshake');
        this.#context.policy.heardFolder(
          this.#peerNodeId,
          this.#peerIncarnation,
          decodeHistory(message.body()),
        );
        break;
      case MessageKind.refuse:
        this.#authentication.checkProved();
        this.#onRefused(message.reason);
        this.#end();
        break;
      default:
        throw protocolError(`a message of kind ${message.kind} from the side that asks`);
    }
  }

  /** Its stream may be silent for long, when all that the peer asks comes in datagrams. */
  heard(): void {
    this.#connection.silence.hear();
  }

  onDatagramWrite(message: Message): Intake {
    const admitted = this.#admitted;
    // Where the stream is not read for a while, its datagrams must not get ahead either.
    if (admitted === null || this.#isEnding || this.#isPaused) return Intake.left;
    if (!admitted.isNew(message.id)) return Intake.known;
    admitted.admit(message.id);
    // At once, and not when it is sent again.
    if (this.#isDraining) this.#refuse(message.id, FailureCode.stopping, 'the node is stopping');
    else this.#run(WRITE, message);
    return Intake.taken;
  }

  onDrained(): void {
    this.#connection.silence.hear();
    this.#resumeWhenQuiet();
  }

  onClosed(reason: string, isFault: boolean): void {
    const { log, strangerLog } = this.#context;
    if (isFault) strangerLog.warn('garbage', `Closed the connection from ${this.#who()}: it sent ${reason}`);
    else if (this.#peerNodeId !== null) log.info(`The connection from ${this.#who()} is closed: ${reason}`);
    this.#isEnding = true;
    this.#sessionEnd.abort();
    if (this.#admitted !== null) this.#context.multicast?.removeSession(this.#multicastTag, this);
    this.#context.onClosed(this);
  }

  /** Somebody who does not know the secret is told nothing: neither that there is one, nor that this is the reason. */
  #onProof(proof: Buffer): void {
    const connection = this.#connection;
    if (this.#authentication.onProof(proof)) {
      connection.admitHello();
      connection.outbox.append(connection.outbox.foreground, this.#authentication.answer());
      return;
    }
    const from = connection.stream.remoteAddress;
    this.#context.strangerLog.warn(
      'proof',
      `Closed the connection from ${from}: it does not know this node's cluster secret; ${SAME_SECRET}`,
    );
    this.#isEnding = true;
    connection.destroy('it does not know the cluster secret');
  }

  #onRefused(reason: string): void {
    const { strangerLog } = this.#context;
    const sentence = `Refused by ${this.#who()}: ${reason}`;
    if (this.#peerNodeId === null) strangerLog.warn('refusal', sentence);
    else strangerLog.warnOf(this.#peerNodeId, 'refusal', `by it: ${reason}`, sentence);
  }

  #judge(hello: Hello): void {
    const { policy, log, strangerLog } = this.#context;
    const { outbox } = this.#connection;
    const local = policy.localHello(hello.nodeId);
    const fault = judgeProtocol(local, hello) ?? policy.judge(hello) ?? judgeAddressee(local, hello);
    if (fault !== null) {
      const from = this.#connection.stream.remoteAddress;
      const sentence = `Refused node ${hello.nodeId} at ${from}: ${fault}`;
      strangerLog.warnOf(hello.nodeId, 'refusal', fault, sentence);
      outbox.append(outbox.foreground, encodeRefusal(fault));
      this.#end();
      return;
    }
    strangerLog.forget(hello.nodeId);
    this.#peerNodeId = hello.nodeId;
    this.#peerIncarnation = hello.incarnation;
    this.#connection.establish();
    const { sessionKey } = this.#authentication;
    this.#context.onSession({ peer: hello, key: sessionKey, ended: this.#sessionEnd.signal });
    outbox.append(outbox.foreground, this.#authentication.sealed(encodeHello(MessageKind.welcome, local)));
    this.#hearDatagrams(sessionTag(sessionKey, local.features & hello.features));
    log.info(`Node ${hello.nodeId} connected from ${this.#connection.stream.remoteAddress}`);
    this.#context.onMember(this, hello.nodeId);
    policy.accepted(hello);
  }

  /** From now on the peer's datagrams find this session by its name. */
  #hearDatagrams(tag: number): void {
    const { limits, multicast } = this.#context;
    if (multicast === null || tag === 0) return;
    this.#admitted = new AdmittedIds(limits.maxInFlight);
    this.#multicastTag = tag;
    multicast.addSession(tag, this);
  }

  #serve(message: Message): void {
    const { id } = message;
    // It was sent again, because its answer had not come in time.
    if (this.#admitted !== null && !this.#admitted.admitStreamed(id)) {
      this.#context.multicast?.onResentInVain();
      return;
    }
    if (this.#isDraining) {
      this.#refuse(id, FailureCode.stopping, 'the node is stopping');
      return;
    }
    const operation = OPERATIONS[message.operation];
    if (operation === undefined) {
      this.#refuse(id, FailureCode.notServed, `operation ${message.operation} is not served`);
      return;
    }
    this.#run(operation, message);
  }

  #run(operation: RpcOperation, message: Message): void {
    const { handler, limits, log } = this.#context;
    this.#underWay++;
    try {
      operation.serve(handler, message, operation.isBackground ? this.#background : this.#foreground);
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'PROTOCOL') throw error;
      // It is not known whether the handler has answered, so no answer can be given: the peer sees a lost connection.
      log.error(`Operation ${operation.name} of ${this.#who()} failed: ${errorMessage(error)}`);
      this.destroy('internal error');
    }
    if (this.#underWay >= limits.maxUnderWay) this.#pause();
  }

  #answer(lane: Lane, id: number, reply: ReplicaReply): void {
    this.#underWay--;
    if (this.#isEnding || this.#connection.isClosed) return;
    const { outbox } = this.#connection;
    const { maxQueuedBytes } = this.#context.limits;
    const { kind } = reply;
    const record = kind === ReplyKind.absent ? null : reply.record;
    const messageBytes = responseBytes(record);
    if (kind === ReplyKind.failed) this.#fail(lane, id, reply.code, reply.reason);
    else if (outbox.queuedBytes + messageBytes > maxQueuedBytes)
      this.#fail(lane, id, FailureCode.queueFull, 'too many answers to send');
    else if (record === null || messageBytes <= FRAGMENT_BYTES) {
      const at = outbox.reserve(lane, FRAME_LENGTH_BYTES + messageBytes);
      encodeResponse(lane.bytes, at, id, kind, record);
    } else {
      const head = Buffer.allocUnsafe(messageBytes - record.length);
      encodeResponseHead(head, 0, id, kind, record.length);
      outbox.appendLarge(lane, { id, head, body: record });
    }
    if (outbox.queuedBytes > maxQueuedBytes / 2) this.#pause();
    else this.#resumeWhenQuiet();
    if (this.#isDraining) this.#endWhenIdle();
  }

  /** Answers with a failure. A peer that sends many requests that fail and reads no answers is no longer read either. */
  #refuse(id: number, code: FailureCode, reason: string): void {
    const { outbox } = this.#connection;
    this.#fail(outbox.foreground, id, code, reason);
    if (outbox.queuedBytes > MAX_QUEUED_REFUSALS_BYTES) this.#pause();
  }

  #fail(lane: Lane, id: number, code: number, reason: string): void {
    const utf8 = encodeReason(reason);
    const at = this.#connection.outbox.reserve(lane, failedResponseFrameBytes(utf8));
    encodeFailedResponse(lane.bytes, at, id, code, utf8);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#connection.stream.pause();
  }

  #resumeWhenQuiet(): void {
    if (!this.#isPaused) return;
    const { maxUnderWay, maxQueuedBytes } = this.#context.limits;
    if (this.#underWay > maxUnderWay / 2 || this.#connection.outbox.queuedBytes > maxQueuedBytes / 2) return;
    this.#isPaused = false;
    this.#connection.stream.resume();
  }

  #endWhenIdle(): void {
    if (this.#underWay === 0) this.#end();
  }

  /** Sends what is gathered and closes. What the peer still sends must be read until it closes its side. */
  #end(): void {
    this.#isEnding = true;
    if (this.#isPaused) this.#connection.stream.resume();
    this.#isPaused = false;
    this.#connection.outbox.endWhenSent();
  }

  #who(): string {
    const { remoteAddress } = this.#connection.stream;
    return this.#peerNodeId === null ? remoteAddress : `node ${this.#peerNodeId} at ${remoteAddress}`;
  }
}
