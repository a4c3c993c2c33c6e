/**
 * One request for an entity and its one answer. Every request makes one of these and little else; what a body needs
 * is made for those that have one (`body-intake.ts`).
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
import type { Refusable } from '../admission/paced-refusals.ts';
import { Entry, type Waiting, type WaitingLine } from '../admission/waiting-line.ts';
import { errorMessage } from '../errors.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { BodyIntake, type BodyOwner, tooLong } from './body-intake.ts';
import { type Beginner, Connection, MAX_PIPELINED_REQUESTS } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { HeldAnswer, type PlaceHolder } from './held-answer.ts';
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

const Phase = { inLine: 0, reading: 1, serving: 2, answered: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const EMPTY_VALUE = Buffer.alloc(0);
/** Values from here on count among the bytes in flight until they are sent. */
const HELD_VALUE_BYTES = 16 * 1024;

export type EntityMethod = 'GET' | 'PUT' | 'DELETE';

export class EntityExchange implements OutcomeSink, BodyOwner, Beginner, PlaceHolder, Refusable, Waiting {
  readonly #context: HttpContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #connection: Connection;
  readonly #method: EntityMethod;
  readonly #key: Buffer;
  readonly #ack: number;
  readonly #from: number;
  lineCost = 0;
  sinceMs = 0;
  behind: EntityExchange | null = null;
  ahead: EntityExchange | null = null;
  #phase: Phase = Phase.inLine;
  /** Of a PUT that has a body. */
  #intake: BodyIntake | null = null;
  /** Of a PUT, once it has come whole. */
  #value: Buffer | null = EMPTY_VALUE;
  #line: WaitingLine;
  /** What it counts as in its line. */
  #lineBytes = 0;
  /** It is being served, and others of its line wait for that to end. */
  #hasPlace = false;
  /** It is among those of its connection that are in work. */
  #isInWork = false;
  #isAdmitted = false;
  #answerBytes = 0;
  /** Its place is free when its answer is with the client, or soon after it was due to be. */
  #isSending = false;
  #waitedMs = 0;

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
    const { admission } = context;
    this.#line = method === 'GET' ? admission.reads : admission.smallWrites;
  }

  /** @param expectsContinue the client waits to be told that its body is wanted */
  start(expectsContinue: boolean): void {
    if (this.#method === 'PUT') this.#startPut(expectsContinue);
    else this.#queue();
  }

  #startPut(expectsContinue: boolean): void {
    const { admission, limits } = this.#context;
    const declared = declaredBodyBytes(this.#request);
    if (declared === UNSUPPORTED_CODING) {
      this.#refuse(501, UNSUPPORTED_CODING_SENTENCE);
    } else if (declared > limits.maxValueBytes) {
      this.#refuse(413, tooLong(this.#context));
    } else {
      if (declared !== 0) {
        const intake = new BodyIntake(
          this.#context,
          this.#request,
          this.#response,
          declared,
          expectsContinue,
          this,
        );
        this.#intake = intake;
        this.#value = null;
        this.#lineBytes = intake.expectedBytes;
        if (!intake.isSmall) this.#line = admission.largeWrites;
      }
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
    const intake = this.#intake;
    if (intake?.mayBegin) {
      this.#phase = Phase.reading;
      intake.begin();
    } else this.#enterLine();
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
    if (this.#method === 'GET') this.#lineBytes = this.#context.admission.expectedReadBytes;
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
    this.#waitForRefusal();
  }

  /** What waits to be refused holds nothing. */
  #waitForRefusal(): void {
    const { bodyRefusals, refusals } = this.#context.admission;
    const line = this.#value === null ? bodyRefusals : refusals;
    this.#value = null;
    this.#intake?.discard();
    line.refuse(this);
  }

  onRefused(): void {
    if (this.#phase !== Phase.inLine) return;
    this.#release();
    if (!this.#request.socket.destroyed) this.#refuse(503, BEHIND_SENTENCE);
  }

  #goOn(): void {
    const value = this.#value;
    this.#value = null;
    if (value !== null) {
      this.#dispatch(value);
    } else {
      this.#phase = Phase.reading;
      this.#intake?.readOn();
    }
  }

  onBody(value: Buffer): void {
    if (this.#hasPlace) this.#dispatch(value);
    else {
      this.#value = value;
      this.#enterLine();
    }
  }

  onBodyBegun(): void {
    this.#enterLine();
  }

  onBodySlow(): void {
    this.leaveLine();
  }

  onNoRoom(): void {
    this.#phase = Phase.inLine;
    this.leaveLine();
    this.#waitForRefusal();
  }

  onBodyFailed(status: number, sentence: string): void {
    this.#context.admission.bodyRefusals.remove(this);
    this.#release();
    this.#refuse(status, sentence);
  }

  onBodyCut(): void {
    this.#release();
  }

  #dispatch(value: Buffer): void {
    this.#phase = Phase.serving;
    const { entities } = this.#context;
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
    this.#context.admission.noteRead(bytes);
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
      this.#context.admission.noteRead(this.#answerBytes);
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

  #refuse(status: number, sentence: string): void {
    this.#phase = Phase.answered;
    this.#stopIntake();
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }

  /** The request is over, or will be with the answer that is given now. */
  #release(): void {
    this.#phase = Phase.answered;
    this.#value = null;
    this.#stopIntake();
    this.#connection.unanswered--;
    // Before its own place is free: a node that stops is done only when none is left.
    if (this.#isInWork) this.#endOnConnection();
    if (this.#isAdmitted) this.#context.admission.releaseRequest(this.#intake?.reservedBytes ?? 0);
    if (!this.#isSending) this.leaveLine();
  }

  /** Whoever is answered hears no more of its body: nobody is answered twice. */
  #stopIntake(): void {
    const intake = this.#intake;
    if (intake !== null && !intake.isOver) intake.stop();
  }

  #endOnConnection(): void {
    this.#isInWork = false;
    this.#connection.end(this.#answerBytes);
  }

  /** Lets another have its turn. */
  leaveLine(): void {
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#line.leave(this.#lineBytes);
  }
}

function emptyBody(isClosing: boolean): Headers {
  return isClosing ? EMPTY_BODY_AND_CLOSE : EMPTY_BODY;
}
