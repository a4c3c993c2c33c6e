/**
 * One HTTP request for an entity: how its body comes in (body-intake.ts, for those that have one) and its answer goes
 * out. All else of its way is admission's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OVERLOADED_SENTENCE } from '../admission/admission.ts';
import { type EntityMethod, EntityRequest } from '../admission/entity-request.ts';
import { Outcome } from '../outcome.ts';
import type { RequestOptions } from '../request-options.ts';
import { declaredBodyBytes, UNSUPPORTED_CODING, UNSUPPORTED_CODING_SENTENCE } from './body.ts';
import { BodyIntake, type BodyOwner, tooLong } from './body-intake.ts';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { HeldAnswer, type PlaceHolder } from './held-answer.ts';
import { type Headers, headersOf, sentenceBody, statusOf, writeSentenceHead } from './responses.ts';

const EMPTY_BODY: Headers = ['Content-Length', '0'];
const EMPTY_BODY_AND_CLOSE: Headers = ['Content-Length', '0', 'Connection', 'close'];
const EMPTY_VALUE = Buffer.alloc(0);
/** Values from here on count among the bytes in flight until they are sent. */
const HELD_VALUE_BYTES = 16 * 1024;

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

  protected answer(outcome: Outcome, value: Uint8Array | null, reason: string): void {
    const response = this.#response;
    if (response.destroyed) return;
    const isClosing = this.context.admission.isDraining;
    if (outcome === Outcome.ok && this.method === 'GET') {
      this.#answerValue(value ?? EMPTY_VALUE, isClosing);
    } else if (outcome === Outcome.ok) {
      response.writeHead(this.method === 'PUT' ? 201 : 202, emptyBody(isClosing));
      response.end();
    } else if (outcome === Outcome.notFound) {
      response.writeHead(404, emptyBody(isClosing));
      response.end();
    } else {
      this.#answerSentence(statusOf(outcome), reason, isClosing);
    }
  }

  protected answerUnserved(outcome: Outcome, reason: string): void {
    this.#refuse(statusOf(outcome), reason);
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
    if (isSentAtOnce) response.end(value);
    // A connection whose answer is ended counts as idle, and a door that closes would cut it off.
    else response.write(value, (error) => void (error ?? response.end()));
  }

  #hold(bytes: number): boolean {
    if (!this.context.admission.reserveBytes(bytes)) return false;
    this.isSending = bytes >= HELD_VALUE_BYTES;
    new HeldAnswer(this.context, this.#request.socket, this.#response, bytes, this);
    return true;
  }

  #answerSentence(status: number, sentence: string, isClosing: boolean): void {
    const body = sentenceBody(sentence);
    writeSentenceHead(this.#response, status, body.length, headersOf(status), isClosing);
    this.#response.end(body);
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.context, this.#request, this.#response, status, sentence);
  }
}

function emptyBody(isClosing: boolean): Headers {
  return isClosing ? EMPTY_BODY_AND_CLOSE : EMPTY_BODY;
}
