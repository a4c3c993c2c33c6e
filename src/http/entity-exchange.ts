/**
 * One HTTP request for an entity: how its body comes in (body-intake.ts, for those that have one) and its answer goes
 * out. All else of its way is admission's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OVERLOADED_SENTENCE } from '../admission/admission.ts';
import { type EntityMethod, EntityRequest } from '../admission/entity-request.ts';
import { Outcome } from '../outcome.ts';
import { judgeRead, type ReadVerdict, type RequestOptions } from '../request-options.ts';
import { declaredBodyBytes, UNSUPPORTED_CODING, UNSUPPORTED_CODING_SENTENCE } from './body.ts';
import { BodyIntake, type BodyOwner, tooLong } from './body-intake.ts';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { versionTag } from './entity-tag.ts';
import { explanationBody } from './explanation-body.ts';
import { HeldAnswer, type PlaceHolder } from './held-answer.ts';
import {
  type Headers,
  headersOf,
  sentenceBody,
  statusOf,
  writeHead,
  writeSentenceHead,
} from './responses.ts';

const EMPTY_BODY: Headers = ['Content-Length', '0'];
const EMPTY_BODY_AND_CLOSE: Headers = ['Content-Length', '0', 'Connection', 'close'];
const EMPTY_VALUE = Buffer.alloc(0);
const STATUS_OF_READ = { met: 200, unchanged: 304, unmet: 412 } as const satisfies Record<
  ReadVerdict,
  number
>;
const UNMET_SENTENCE = 'The value of the key is not one that the condition allows.';
/** Values from here on count among the bytes in flight until they are sent. */
const HELD_VALUE_BYTES = 16 * 1024;
/** Up to here a value is cheaper as a string: see `endWithValue`. */
const STRING_VALUE_BYTES = 1024;

export class EntityExchange extends EntityRequest<HttpContext> implements BodyOwner, PlaceHolder {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(
    context: HttpContext,
    request: IncomingMessage,
    response: ServerResponse,
    method: EntityMethod,
    key: Buffer,
    options: RequestOptions,
  ) {
    super(context, HttpConnection.of(request.socket), method, key, options);
    this.#request = request;
    this.#response = response;
  }

  /** @param expectsContinue the client waits to be told that its body is wanted */
  start(expectsContinue: boolean): void {
    if (this.method === 'PUT') this.#startPut(expectsContinue);
    else this.queue();
  }

  #startPut(expectsContinue: boolean): void {
    const { context } = this;
    const request = this.#request;
    const declared = declaredBodyBytes(request);
    if (declared === UNSUPPORTED_CODING) {
      this.#refuse(501, UNSUPPORTED_CODING_SENTENCE);
    } else if (declared > context.limits.maxValueBytes) {
      this.#refuse(413, tooLong(context));
    } else {
      if (declared !== 0) {
        this.awaitValue(new BodyIntake(context, request, this.#response, declared, expectsContinue, this));
      }
      this.queue();
    }
  }

  onBodyFailed(status: number, sentence: string): void {
    this.context.admission.bodyRefusals.remove(this);
    this.release();
    this.#refuse(status, sentence);
  }

  protected get isClientGone(): boolean {
    return this.#request.socket.destroyed;
  }

  protected answer(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    livesMs: number,
  ): void {
    const response = this.#response;
    if (response.destroyed) return;
    const isClosing = this.context.admission.isDraining;
    const explanation = this.options.explain?.explanation ?? null;
    if (explanation !== null) {
      const status = this.#statusOf(outcome, timestamp, writer);
      const sentence = status === 412 && reason === '' ? UNMET_SENTENCE : reason;
      const answer = {
        method: this.method,
        status,
        reason: sentence,
        timestamp,
        writer,
        livesMs,
      };
      this.#answerExplained(status, explanationBody(answer, this.options, explanation), isClosing);
    } else if (outcome === Outcome.ok && this.method === 'GET') {
      this.#answerValue(value ?? EMPTY_VALUE, timestamp, writer, livesMs, isClosing);
    } else if (outcome === Outcome.ok && this.method === 'PUT') {
      const headers = ['Content-Length', '0', 'ETag', versionTag(timestamp, writer)];
      if (isClosing) headers.push('Connection', 'close');
      response.writeHead(201, headers);
      response.end();
    } else if (outcome === Outcome.ok || outcome === Outcome.notFound) {
      response.writeHead(outcome === Outcome.ok ? 202 : 404, emptyBody(isClosing));
      response.end();
    } else if (outcome === Outcome.conditionFailed) {
      this.#answerUnmet(reason, timestamp, writer, isClosing);
    } else {
      this.#answerSentence(statusOf(outcome), reason, isClosing);
    }
  }

  protected answerUnserved(outcome: Outcome, reason: string): void {
    this.#refuse(statusOf(outcome), reason);
  }

  #answerValue(
    value: Uint8Array,
    timestamp: number,
    writer: number,
    livesMs: number,
    isClosing: boolean,
  ): void {
    const status = this.#statusOfValue(timestamp, writer);
    if (status !== 200) {
      if (status === 304) this.#answerNotModified(timestamp, writer, livesMs, isClosing);
      else this.#answerUnmet(UNMET_SENTENCE, timestamp, writer, isClosing);
      return;
    }
    const response = this.#response;
    const { socket } = response;
    const isSentAtOnce = value.length < HELD_VALUE_BYTES && socket !== null && socket.writableLength === 0;
    if (!isSentAtOnce && !this.#hold(value.length)) {
      this.#answerSentence(503, OVERLOADED_SENTENCE, isClosing);
      return;
    }
    const headers = [
      'Content-Type',
      'application/octet-stream',
      'Content-Length',
      `${value.length}`,
      'ETag',
      versionTag(timestamp, writer),
    ];
    if (livesMs > 0) headers.push('Cache-Control', maxAge(livesMs));
    if (isClosing) headers.push('Connection', 'close');
    response.writeHead(200, headers);
    if (isSentAtOnce) endWithValue(response, value);
    // A connection whose answer is ended counts as idle, and a door that closes would cut it off.
    else response.write(value, (error) => void (error ?? response.end()));
  }

  #hold(bytes: number): boolean {
    if (!this.context.admission.reserveBytes(bytes)) return false;
    this.isSending = bytes >= HELD_VALUE_BYTES;
    new HeldAnswer(this.context, this.#request.socket, this.#response, bytes, this);
    return true;
  }

  /** The client has the value already. Its headers are those that the value would have, but for those of a body. */
  #answerNotModified(timestamp: number, writer: number, livesMs: number, isClosing: boolean): void {
    const headers = ['ETag', versionTag(timestamp, writer)];
    if (livesMs > 0) headers.push('Cache-Control', maxAge(livesMs));
    if (isClosing) headers.push('Connection', 'close');
    this.#response.writeHead(304, headers);
    this.#response.end();
  }

  /** @param timestamp of the value that the key has; 0: it has none */
  #answerUnmet(sentence: string, timestamp: number, writer: number, isClosing: boolean): void {
    const headers = timestamp === 0 ? [] : ['ETag', versionTag(timestamp, writer)];
    this.#answerSentence(412, sentence, isClosing, headers);
  }

  /** As without `explain`. */
  #statusOf(outcome: Outcome, timestamp: number, writer: number): number {
    if (outcome === Outcome.notFound) return 404;
    if (outcome !== Outcome.ok) return statusOf(outcome);
    if (this.method !== 'GET') return this.method === 'PUT' ? 201 : 202;
    return this.#statusOfValue(timestamp, writer);
  }

  /** Of a GET of a value. */
  #statusOfValue(timestamp: number, writer: number): 200 | 304 | 412 {
    const { condition } = this.options;
    return condition === null ? 200 : STATUS_OF_READ[judgeRead(condition, timestamp, writer)];
  }

  /** 304 has no body, so an explained one is a 200 whose body says 304. */
  #answerExplained(requestStatus: number, body: Buffer, isClosing: boolean): void {
    const status = requestStatus === 304 ? 200 : requestStatus;
    const headers = ['Content-Type', 'application/json', 'Content-Length', `${body.length}`];
    headers.push('Cache-Control', 'no-store', ...headersOf(status));
    if (isClosing) headers.push('Connection', 'close');
    writeHead(this.#response, status, headers);
    this.#response.end(body);
  }

  #answerSentence(
    status: number,
    sentence: string,
    isClosing: boolean,
    headers: Headers = headersOf(status),
  ): void {
    const body = sentenceBody(sentence);
    writeSentenceHead(this.#response, status, body.length, headers, isClosing);
    this.#response.end(body);
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.context, this.#request, this.#response, status, sentence);
  }
}

/** Rounded down, as who goes by it must not see a value that has expired. */
function maxAge(livesMs: number): string {
  return `max-age=${Math.floor(livesMs / 1000)}`;
}

function emptyBody(isClosing: boolean): Headers {
  return isClosing ? EMPTY_BODY_AND_CLOSE : EMPTY_BODY;
}

/**
 * The bytes of a small value go out as a string of one character each: Node then sends it in one piece with the head,
 * where it hands a Buffer to the kernel as a second one, and that costs more than both copies.
 */
function endWithValue(response: ServerResponse, value: Uint8Array): void {
  if (value.length > STRING_VALUE_BYTES) response.end(value);
  else response.end(Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1'), 'latin1');
}
