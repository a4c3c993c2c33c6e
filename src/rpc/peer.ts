import { Backoff } from '../backoff.ts';
import type { Clock, Random, TimerHandle } from '../clock.ts';
import { protocolError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ReplicaReply } from '../reply.ts';
import type { Credentials } from './authentication.ts';
import type { SessionKey } from './cluster-secret.ts';
import { maxMessageBytes } from './codec.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { DialHandshake } from './dial-handshake.ts';
import type { HandshakePolicy, Hello } from './handshake.ts';
import type { RpcLimits } from './limits.ts';
import type { Message } from './message.ts';
import type { MulticastSender } from './multicast/sender.ts';
import { sessionTag } from './multicast/session-tag.ts';
import { MessageKind } from './operations.ts';
import { PeerAvailability, type PeerState } from './peer-availability.ts';
import { RequestChannel } from './request-channel.ts';
import { STOPPING } from './response.ts';
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
 * The way to one peer: it keeps a connection, and dials again when the connection is lost. `requests` go over it.
 */
export class Peer implements ConnectionOwner {
  readonly nodeId: string;
  readonly requests: RequestChannel;
  readonly #address: PeerAddress;
  readonly #at: string;
  readonly #context: PeerContext;
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
    this.requests = new RequestChannel(this.#availability, context);
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
    return this.requests.unavailable;
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
      inFlight: this.requests.count,
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

  /** Checks deadlines and silence. */
  tick(nowMs: number): void {
    if (this.requests.tick(nowMs) && this.#isClosing) this.#closeWhenIdle();
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
      this.requests.stop(refusal);
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
        this.requests.onResponse(message);
        if (this.#isClosing) this.#closeWhenIdle();
        break;
      default:
        if (this.#connection !== null) this.#handshake?.onMessage(this.#connection, message);
    }
  }

  onHelloSent(hello: Hello): void {
    this.#history.toldBefore(hello.history.progress);
  }

  onWelcome(connection: Connection, hello: Hello, key: SessionKey): void {
    this.#incarnation = hello.incarnation;
    this.#reconnect.reset();
    this.#refused.reset();
    this.#sessionEnd = new AbortController();
    this.#session = { peer: hello, key, ended: this.#sessionEnd.signal };
    const local = this.#context.policy.localHello(this.nodeId);
    this.requests.open(connection, hello, sessionTag(key, local.features & hello.features));
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
    // After the state has changed, so that a sink that asks again gets its answer at once.
    this.requests.lose();
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
    else if (this.requests.count === 0) this.#connection.destroy(this.#availability.unavailable.reason);
  }

  #watch(connection: Connection): void {
    const silentTicks = connection.silence.tick();
    if (silentTicks === this.#pingAfterTicks) connection.ping();
    if (silentTicks < this.#deadAfterTicks) return;
    const { pingAfterMs, pongTimeoutMs } = this.#context.limits;
    connection.reset(`no sign of life for ${pingAfterMs + pongTimeoutMs} ms`);
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
