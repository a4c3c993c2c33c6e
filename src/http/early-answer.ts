/**
 * Answers to requests whose body has not been read. A short body that is still to come is read and thrown away by
 * node:http, and the connection lives on. With a longer one the connection is to end; but a socket that is closed
 * with bytes unread resets, and the reset may overtake the answer. So the answer is written at once and the body
 * thrown away, for a bounded time and up to a bounded length, before the response is ended and the socket closed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TimerHandle } from '../clock.ts';
import { TokenBucket } from '../token-bucket.ts';
import { declaredBodyBytes } from './body.ts';
import { type BodyReader, HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { type Headers, headersOf, sentenceBody, writeSentenceHead } from './responses.ts';

/** The longest body that is read only to keep its connection. */
export const MAX_DISCARDED_BODY_BYTES = 64 * 1024;
/**
 * Until then nothing of it is read: most clients stop sending when they see the answer, and what they have not sent
 * costs nobody anything.
 */
const UNREAD_MS = 50;
/**
 * Reading what the kernels hold of a body costs ten times as much as all else of a refusal, and those who stopped
 * sending cannot be told from those who go on. So it is done for so many bytes: under a storm of refusals the other
 * bodies are left unread, and cut after a while in which their clients could see the answer.
 */
const DISCARDED_BYTES_PER_SECOND = 16 * 1024 * 1024;
const DISCARDED_BYTES_AT_ONCE = 16 * 1024 * 1024;
/** What each body counts as from the beginning. What comes beyond that is counted as it comes. */
const LEAST_DISCARDED_BYTES = 64 * 1024;
const LINGER_MS = 1000;
const LINGER_BYTES = 64 * 1024 * 1024;

export function createDiscards(): TokenBucket {
  return new TokenBucket(DISCARDED_BYTES_PER_SECOND, DISCARDED_BYTES_AT_ONCE);
}

/** @param headers beyond those that the status carries anyway */
export function answerEarly(
  context: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Headers = headersOf(status),
): void {
  const body = sentenceBody(sentence);
  const declared = request.complete ? 0 : declaredBodyBytes(request);
  const isLong = declared < 0 || declared > MAX_DISCARDED_BODY_BYTES;
  const connection = HttpConnection.of(request.socket);
  const isClosing = isLong || context.admission.isDraining || connection.isBroken;
  if (isClosing) connection.isClosing = true;
  writeSentenceHead(response, status, body.length, headers, isClosing);
  if (declared === 0 || !isClosing || request.socket.readableEnded) {
    response.end(body);
  } else {
    response.write(body);
    new LingeringAnswer(context, request, response);
  }
}

/** Throws away the rest of a body whose answer is written, then ends the response and with it the connection. */
class LingeringAnswer implements BodyReader {
  readonly #context: HttpContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #timer: TimerHandle;
  #bytes = 0;
  #isOver = false;

  constructor(context: HttpContext, request: IncomingMessage, response: ServerResponse) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    HttpConnection.of(request.socket).bodyReader = this;
    context.admission.beginLingering();
    this.#timer = context.clock.after(UNREAD_MS, () => this.#discard());
    request.on('error', () => this.#end());
    request.socket.on('end', () => this.#end());
  }

  #discard(): void {
    const { clock, discards } = this.#context;
    this.#timer = clock.after(LINGER_MS, () => this.#end());
    if (!discards.take(clock.monotonicMs(), LEAST_DISCARDED_BYTES)) return;
    const request = this.#request;
    request.resume();
    request.on('data', (piece: Buffer) => {
      const counted = Math.max(this.#bytes, LEAST_DISCARDED_BYTES);
      this.#bytes += piece.length;
      if (this.#bytes > counted) discards.spend(this.#bytes - counted);
      if (this.#bytes > LINGER_BYTES) this.#end();
    });
    request.on('end', () => this.#end());
  }

  /** Its request has its answer already. */
  onBrokenBody(): boolean {
    this.#end();
    return true;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.cancel();
    this.#request.pause();
    this.#response.end();
    this.#context.admission.endLingering();
  }
}
