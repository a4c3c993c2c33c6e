/**
 * One request for an entity and its one answer. Every request makes one of these and little else: the handlers of
 * its body are shared and find the exchange on the request.
 *
 *   start ─ GET, DELETE ───────────────▶ waiting ─ outcome ─▶ answered
 *     └──── PUT ─▶ reading ─ body ends ─▶┘                       ▲
 *                    └─ too long, broken, cut, no room ──────────┘
 *
 * A body that does not end is never handed on: what was cut stores nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage } from '../errors.ts';
import { BodyCollector } from './body-collector.ts';
import { type BodyReader, Connection, MAX_PIPELINED_REQUESTS } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { declaredBodyBytes, UNSUPPORTED_CODING } from './request-body.ts';
import {
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

const Phase = { reading: 0, waiting: 1, answered: 2 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const EXCHANGE = Symbol('entity exchange');
type ExchangeRequest = IncomingMessage & { [EXCHANGE]?: EntityExchange };

const EMPTY_VALUE = Buffer.alloc(0);
/** Values from here on count among the bytes in flight until they are sent. */
const HELD_VALUE_BYTES = 16 * 1024;

export type EntityMethod = 'GET' | 'PUT' | 'DELETE';

export class EntityExchange implements EntityReply, BodyReader {
  readonly #context: HttpContext;
  readonly #request: ExchangeRequest;
  readonly #response: ServerResponse;
  readonly #connection: Connection;
  readonly #method: EntityMethod;
  readonly #key: Buffer;
  readonly #ack: number;
  readonly #from: number;
  #phase: Phase = Phase.waiting;
  #body: BodyCollector | null = null;
  #reservedBytes = 0;

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
  }

  /** @param expectsContinue the client waits to be told that its body is wanted */
  start(expectsContinue: boolean): void {
    if (this.#method === 'PUT') {
      this.#startPut(expectsContinue);
    } else if (this.#admit(0)) {
      this.#dispatch(EMPTY_VALUE);
    }
  }

  #startPut(expectsContinue: boolean): void {
    const declared = declaredBodyBytes(this.#request);
    if (declared === UNSUPPORTED_CODING) {
      this.#refuse(501, 'The body has a Transfer-Encoding other than chunked: send the value as it is.');
    } else if (declared > this.#context.limits.maxValueBytes) {
      this.#refuseTooLong();
    } else if (this.#admit(Math.max(declared, 0))) {
      if (declared === 0) this.#dispatch(EMPTY_VALUE);
      else this.#read(declared, expectsContinue);
    }
  }

  #admit(bodyBytes: number): boolean {
    const { admission } = this.#context;
    if (this.#connection.unanswered >= MAX_PIPELINED_REQUESTS) {
      admission.countRefused();
      this.#refuse(
        503,
        `The connection has ${MAX_PIPELINED_REQUESTS} requests unanswered: send fewer at a time.`,
      );
      return false;
    }
    if (!admission.admitRequest(bodyBytes)) {
      this.#refuse(503, OVERLOADED_SENTENCE);
      return false;
    }
    this.#reservedBytes = bodyBytes;
    this.#connection.unanswered++;
    return true;
  }

  #read(declared: number, expectsContinue: boolean): void {
    const request = this.#request;
    this.#phase = Phase.reading;
    this.#body = new BodyCollector(declared, this.#context.limits.maxValueBytes);
    this.#connection.bodyReader = this;
    if (expectsContinue) this.#response.writeContinue();
    request[EXCHANGE] = this;
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('error', onCut);
  }

  onBodyPiece(piece: Buffer): void {
    const body = this.#body;
    if (this.#phase !== Phase.reading || body === null) return;
    if (!body.add(piece)) {
      this.#stopReading();
      this.#refuseTooLong();
      return;
    }
    const unreserved = body.heldBytes - this.#reservedBytes;
    if (unreserved <= 0) return;
    if (this.#context.admission.reserveBytes(unreserved)) {
      this.#reservedBytes += unreserved;
    } else {
      this.#stopReading();
      this.#refuse(503, OVERLOADED_SENTENCE);
    }
  }

  onBodyEnd(): void {
    const body = this.#body;
    if (this.#phase !== Phase.reading || body === null || !this.#request.complete) return;
    this.#body = null;
    this.#dispatch(body.bytes());
  }

  onBrokenBody(status: number, sentence: string): void {
    if (this.#phase !== Phase.reading) return;
    this.#stopReading();
    this.#refuse(status, sentence);
  }

  /** Nobody is there to be answered. */
  onCut(): void {
    if (this.#phase === Phase.reading) this.#stopReading();
  }

  /** The request will not be handed on: its place is free, its answer is still to be given. */
  #stopReading(): void {
    this.#body = null;
    this.#release();
  }

  #dispatch(value: Buffer): void {
    this.#phase = Phase.waiting;
    const { entities } = this.#context.services;
    try {
      if (this.#method === 'GET') entities.get(this.#key, this.#ack, this.#from, this);
      else if (this.#method === 'PUT') entities.put(this.#key, value, this.#ack, this.#from, this);
      else entities.delete(this.#key, this.#ack, this.#from, this);
    } catch (error) {
      this.#context.log.error(`${this.#method} of an entity failed: ${errorMessage(error)}`);
      this.onOutcome(Outcome.failed, null, 'The node failed while it served the request.');
    }
  }

  onOutcome(outcome: Outcome, value: Uint8Array | null, reason: string): void {
    if (this.#phase !== Phase.waiting) return;
    this.#release();
    const response = this.#response;
    if (response.destroyed) return;
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

  /** Lets a value that a client may be slow to read, or leave unread, count until it is gone. */
  #hold(bytes: number): boolean {
    const { admission, limits } = this.#context;
    if (!admission.reserveBytes(bytes)) return false;
    // The default for a time-out that nobody listens to: the socket is destroyed.
    this.#response.setTimeout(limits.rangeTimeoutMs);
    this.#response.once('close', () => admission.releaseBytes(bytes));
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

  #release(): void {
    this.#phase = Phase.answered;
    this.#connection.unanswered--;
    this.#context.admission.releaseRequest(this.#reservedBytes);
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
