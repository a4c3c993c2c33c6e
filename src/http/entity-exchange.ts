/**
 * One request for an entity and its one answer. Every request makes one of these and little else: the handlers of
 * its body are shared and find the exchange on the request.
 *
 *   start ─ GET, DELETE ─▶ in line ─────────────────────▶ serving ─ outcome ─▶ answered
 *     ├──── PUT, small ──▶ reading ─ body ends ─▶ in line ─▶┤                     ▲
 *     └──── PUT, large ──▶ gathering ─▶ in line ─▶ reading ─ body ends ─▶┘        │
 *             └─ too long, broken, cut, no room, too late ────────────────────────┘
 *
 * A large body stays with its client until it is its turn, but for its beginning: what is only announced waits for
 * nothing and holds up nobody. A body that does not end is never handed on: what was cut
 * stores nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TimerHandle } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { BodyCollector } from './body-collector.ts';
import type { WatchedBody } from './body-watch.ts';
import { type Beginner, type BodyReader, Connection, MAX_PIPELINED_REQUESTS } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { HeldAnswer, type PlaceHolder } from './held-answer.ts';
import { SMALL_BODY_BYTES } from './lines.ts';
import type { Refusable } from './paced-refusals.ts';
import { declaredBodyBytes, UNSUPPORTED_CODING, UNSUPPORTED_CODING_SENTENCE } from './request-body.ts';
import {
  BEHIND_SENTENCE,
  EMPTY_BODY,
  EMPTY_BODY_AND_CLOSE,
  type Headers,
  headersOf,
  OVERLOADED_SENTENCE,
  sentenceBody,
  statusOf,
  writeSentenceHead,
} from './responses.ts';
import { type EntityReply, Outcome } from './services.ts';
import { Entry, type Waiting, type WaitingLine } from './waiting-line.ts';

const Phase = { inLine: 0, reading: 1, serving: 2, answered: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const EXCHANGE = Symbol('entity exchange');
type ExchangeRequest = IncomingMessage & { [EXCHANGE]?: EntityExchange };

const EMPTY_VALUE = Buffer.alloc(0);
/** Values from here on count among the bytes in flight until they are sent. */
const HELD_VALUE_BYTES = 16 * 1024;
/** A large body of which less than this arrives in a while does not keep its place from others. */
const LEAST_ARRIVED_BYTES = 64 * 1024;
const ARRIVAL_MS = 100;
/** Of a chunked body, until it is known. */
const EXPECTED_CHUNKED_BYTES = 64 * 1024;

export type EntityMethod = 'GET' | 'PUT' | 'DELETE';

export class EntityExchange
  implements EntityReply, BodyReader, Beginner, PlaceHolder, Refusable, Waiting, WatchedBody
{
  readonly #context: HttpContext;
  readonly #request: ExchangeRequest;
  readonly #response: ServerResponse;
  readonly #connection: Connection;
  readonly #method: EntityMethod;
  readonly #key: Buffer;
  readonly #ack: number;
  readonly #from: number;
  lineCost = 0;
  sinceMs = 0;
  behind: EntityExchange | null = null;
  watchedEarlier: WatchedBody | null = null;
  watchedLater: WatchedBody | null = null;
  watchedTicks = 0;
  watchedBytes = 0;
  #phase: Phase = Phase.inLine;
  #body: BodyCollector | null = null;
  /** Of a PUT, once it has come whole. */
  #value: Buffer | null = EMPTY_VALUE;
  #reservedBytes = 0;
  #line: WaitingLine;
  /** What it counts as in its line. */
  #lineBytes = 0;
  /** It is being served, and others of its line wait for that to end. */
  #hasPlace = false;
  /** It is among those of its connection that are in work. */
  #isInWork = false;
  #isAdmitted = false;
  #isGathering = false;
  #answerBytes = 0;
  /** Its place is free when its answer is with the client, or soon after it was due to be. */
  #isSending = false;
  #waitedMs = 0;
  /** -1: chunked. */
  #declaredBytes = 0;
  #arrivedBytes = 0;
  #arrivalTimer: TimerHandle | null = null;
  /** The client waits to be told that its body is wanted. */
  #expectsContinue = false;

  constructor(
    context: HttpContext,
    request: IncomingMessage,
    response: ServerResponse,
    method: EntityMethod,
    key: Buffer,
    ack: number,
    from: number,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#connection = Connection.of(request.socket);
    this.#method = method;
    this.#key = key;
    this.#ack = ack;
    this.#from = from;
    const { lines } = context;
    this.#line = method === 'GET' ? lines.reads : lines.smallWrites;
  }

  /** @param expectsContinue the client waits to be told that its body is wanted */
  start(expectsContinue: boolean): void {
    if (this.#method === 'PUT') this.#startPut(expectsContinue);
    else this.#queue();
  }

  #startPut(expectsContinue: boolean): void {
    const { lines, limits } = this.#context;
    const declared = declaredBodyBytes(this.#request);
    if (declared === UNSUPPORTED_CODING) {
      this.#refuse(501, UNSUPPORTED_CODING_SENTENCE);
    } else if (declared > limits.maxValueBytes) {
      this.#refuseTooLong();
    } else {
      this.#expectsContinue = expectsContinue;
      this.#declaredBytes = declared;
      this.#lineBytes = declared < 0 ? EXPECTED_CHUNKED_BYTES : declared;
      if (declared !== 0) {
        this.#value = null;
        // What breaks a body before it is read is told to whoever will read it.
        this.#connection.bodyReader = this;
      }
      if (this.#lineBytes > SMALL_BODY_BYTES) this.#line = lines.largeWrites;
      this.#queue();
    }
  }

  begin(): void {
    this.#isInWork = true;
    if (this.#phase === Phase.answered) {
      // Its body broke while it waited.
      this.#endOnConnection();
    } else if (!this.#context.admission.admitRequest(0)) {
      this.#release();
      this.#refuse(503, OVERLOADED_SENTENCE);
    } else this.#beginAdmitted();
  }

  #beginAdmitted(): void {
    this.#isAdmitted = true;
    // Of a body that the client sends only when it is told to nothing comes before.
    const isAwaited = this.#expectsContinue && this.#lineBytes > SMALL_BODY_BYTES;
    if (this.#declaredBytes === 0 || isAwaited) this.#enterLine();
    else this.#read();
  }

  drop(): void {
    if (this.#phase !== Phase.answered) this.#release();
  }

  /** A client may be far ahead of its answers; what it asks for is not counted before it is begun. */
  #queue(): void {
    const connection = this.#connection;
    if (connection.unanswered >= MAX_PIPELINED_REQUESTS) {
      this.#context.admission.countRefused();
      this.#refuse(
        503,
        `The connection has ${MAX_PIPELINED_REQUESTS} requests unanswered: send fewer at a time.`,
      );
      return;
    }
    connection.unanswered++;
    connection.begin(this);
  }

  #enterLine(): void {
    this.#phase = Phase.inLine;
    // Not before: those ahead of it on its connection have shown more.
    if (this.#method === 'GET') this.#lineBytes = this.#context.lines.expectedReadBytes;
    switch (this.#line.enter(this, this.#lineBytes)) {
      case Entry.now:
        this.#hasPlace = true;
        this.#goOn();
        break;
      case Entry.waiting:
        break;
      default:
        this.#refuseInTime();
    }
  }

  onTurn(waitedMs: number): void {
    this.#hasPlace = true;
    this.#waitedMs += waitedMs;
    if (this.#phase !== Phase.inLine) this.leaveLine();
    else if (this.#request.socket.destroyed) this.#release();
    else this.#goOn();
  }

  onTurnMissed(): void {
    if (this.#phase === Phase.inLine) this.#context.admission.countRefused();
    this.onRefused();
  }

  #refuseInTime(): void {
    this.#context.admission.countRefused();
    const { bodyRefusals, refusals } = this.#context.lines;
    if (this.#value === null) bodyRefusals.refuse(this);
    else refusals.refuse(this);
  }

  onRefused(): void {
    if (this.#phase !== Phase.inLine) return;
    this.#release();
    if (!this.#request.socket.destroyed) this.#refuse(503, BEHIND_SENTENCE);
  }

  #goOn(): void {
    const value = this.#value;
    this.#value = null;
    if (value !== null) this.#dispatch(value);
    else if (this.#body === null) this.#read();
    else this.#readOn();
  }

  #read(): void {
    const request = this.#request;
    const { bodyWatch, limits } = this.#context;
    const declared = this.#declaredBytes;
    this.#phase = Phase.reading;
    this.#body = new BodyCollector(declared, limits.maxValueBytes);
    this.#connection.bodyReader = this;
    if (this.#expectsContinue) this.#response.writeContinue();
    this.#isGathering = !this.#hasPlace && this.#lineBytes > SMALL_BODY_BYTES;
    if (this.#hasPlace) this.#watchArrival();
    bodyWatch.add(this);
    request[EXCHANGE] = this;
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('error', onCut);
  }

  /** It has begun to come: the rest stays with its client until its turn. */
  #stopGathering(): void {
    this.#isGathering = false;
    this.#context.bodyWatch.remove(this);
    this.#request.pause();
    this.#enterLine();
  }

  #readOn(): void {
    this.#phase = Phase.reading;
    this.#watchArrival();
    this.#context.bodyWatch.add(this);
    this.#request.resume();
  }

  #watchArrival(): void {
    this.#arrivedBytes = 0;
    this.#arrivalTimer = this.#context.clock.every(ARRIVAL_MS, () => this.#checkArrival());
  }

  /** A client that sends slowly may take its time, but not that of others. */
  #checkArrival(): void {
    if (this.#arrivedBytes < LEAST_ARRIVED_BYTES) this.leaveLine();
    this.#arrivedBytes = 0;
  }

  onBodyPiece(piece: Buffer): void {
    const body = this.#body;
    if (this.#phase !== Phase.reading || body === null) return;
    this.#arrivedBytes += piece.length;
    this.watchedBytes += piece.length;
    if (!body.add(piece)) {
      this.#stopReading();
      this.#refuseTooLong();
      return;
    }
    const unreserved = body.heldBytes - this.#reservedBytes;
    if (unreserved > 0 && !this.#context.admission.reserveBytes(unreserved)) {
      this.#stopReading();
      this.#refuse(503, OVERLOADED_SENTENCE);
      return;
    }
    this.#reservedBytes += Math.max(unreserved, 0);
    if (this.#isGathering && body.heldBytes >= SMALL_BODY_BYTES) this.#stopGathering();
  }

  onBodyEnd(): void {
    const body = this.#body;
    if (this.#phase !== Phase.reading || body === null || !this.#request.complete) return;
    this.#body = null;
    this.#context.bodyWatch.remove(this);
    this.#arrivalTimer?.cancel();
    const value = body.bytes();
    if (this.#hasPlace) this.#dispatch(value);
    else {
      this.#value = value;
      this.#enterLine();
    }
  }

  onBrokenBody(status: number, sentence: string): void {
    if (this.#phase !== Phase.reading && (this.#phase !== Phase.inLine || this.#value !== null)) return;
    this.#stopReading();
    this.#refuse(status, sentence);
  }

  onTooSlow(leastBytesPerSecond: number): void {
    this.onBrokenBody(408, `The body came too slowly: send at least ${leastBytesPerSecond} bytes a second.`);
  }

  /** Nobody is there to be answered. */
  onCut(): void {
    if (this.#phase === Phase.reading) this.#stopReading();
  }

  /** The request will not be handed on: its place is free, its answer is still to be given. */
  #stopReading(): void {
    this.#body = null;
    this.#context.bodyWatch.remove(this);
    this.#release();
  }

  #dispatch(value: Buffer): void {
    this.#phase = Phase.serving;
    const { entities } = this.#context.services;
    const waitedMs = this.#waitedMs;
    try {
      if (this.#method === 'GET') entities.get(this.#key, this.#ack, this.#from, this, waitedMs);
      else if (this.#method === 'PUT') entities.put(this.#key, value, this.#ack, this.#from, this, waitedMs);
      else entities.delete(this.#key, this.#ack, this.#from, this, waitedMs);
    } catch (error) {
      this.#context.log.error(`${this.#method} of an entity failed: ${errorMessage(error)}`);
      this.onOutcome(Outcome.failed, null, 'The node failed while it served the request.');
    }
  }

  /** Those that come behind it are reckoned with it at once: it may be answered late, or not at all. */
  onLargeValue(bytes: number): void {
    this.#context.lines.noteRead(bytes);
  }

  onOutcome(outcome: Outcome, value: Uint8Array | null, reason: string): void {
    if (this.#phase !== Phase.serving) return;
    const response = this.#response;
    if (response.destroyed) {
      this.#release();
      return;
    }
    const isClosing = this.#context.admission.isDraining;
    if (outcome === Outcome.ok && this.#method === 'GET') {
      this.#answerValue(value ?? EMPTY_VALUE, isClosing);
    } else if (outcome === Outcome.ok) {
      response.writeHead(this.#method === 'PUT' ? 201 : 202, emptyBody(isClosing));
      response.end();
    } else if (outcome === Outcome.notFound) {
      response.writeHead(404, emptyBody(isClosing));
      response.end();
    } else {
      this.#answerSentence(statusOf(outcome), reason, isClosing);
    }
    if (this.#method === 'GET' && outcome <= Outcome.notFound) {
      this.#answerBytes = value?.length ?? 0;
      this.#context.lines.noteRead(this.#answerBytes);
    }
    // Last, as it lets another in.
    this.#release();
  }

  #answerValue(value: Uint8Array, isClosing: boolean): void {
    const response = this.#response;
    const { socket } = response;
    const isSentAtOnce = value.length < HELD_VALUE_BYTES && socket !== null && socket.writableLength === 0;
    if (!isSentAtOnce && !this.#hold(value.length)) {
      this.#answerSentence(503, OVERLOADED_SENTENCE, isClosing);
      return;
    }
    const headers = ['Content-Type', 'application/octet-stream', 'Content-Length', `${value.length}`];
    if (isClosing) headers.push('Connection', 'close');
    response.writeHead(200, headers);
    response.end(value);
  }

  #hold(bytes: number): boolean {
    const { admission } = this.#context;
    if (!admission.reserveBytes(bytes)) return false;
    this.#isSending = bytes >= HELD_VALUE_BYTES;
    new HeldAnswer(this.#context, this.#request.socket, this.#response, bytes, this);
    return true;
  }

  #answerSentence(status: number, sentence: string, isClosing: boolean): void {
    const body = sentenceBody(sentence);
    writeSentenceHead(this.#response, status, body.length, headersOf(status), isClosing);
    this.#response.end(body);
  }

  #refuseTooLong(): void {
    this.#refuse(413, `The value is too long: it has at most ${this.#context.limits.maxValueBytes} bytes.`);
  }

  #refuse(status: number, sentence: string): void {
    this.#phase = Phase.answered;
    this.#request.off('data', onData);
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }

  /** The request is over, or will be with the answer that is given now. */
  #release(): void {
    this.#phase = Phase.answered;
    this.#value = null;
    this.#arrivalTimer?.cancel();
    this.#connection.unanswered--;
    // Before its own place is free: a node that stops is done only when none is left.
    if (this.#isInWork) this.#endOnConnection();
    if (this.#isAdmitted) this.#context.admission.releaseRequest(this.#reservedBytes);
    if (!this.#isSending) this.leaveLine();
  }

  #endOnConnection(): void {
    this.#isInWork = false;
    this.#connection.end(this.#answerBytes);
  }

  /** Lets another have its turn. */
  leaveLine(): void {
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#arrivalTimer?.cancel();
    this.#line.leave(this.#lineBytes);
  }
}

function emptyBody(isClosing: boolean): Headers {
  return isClosing ? EMPTY_BODY_AND_CLOSE : EMPTY_BODY;
}

function onData(this: ExchangeRequest, piece: Buffer): void {
  this[EXCHANGE]?.onBodyPiece(piece);
}

function onEnd(this: ExchangeRequest): void {
  this[EXCHANGE]?.onBodyEnd();
}

function onCut(this: ExchangeRequest): void {
  this[EXCHANGE]?.onCut();
}
