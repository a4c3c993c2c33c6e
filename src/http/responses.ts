/** The answers, as heads that are ready to be written, and sentences for people. */
import type { ServerResponse } from 'node:http';
import { QuorateError } from '../errors.ts';
import { Outcome } from '../outcome.ts';

/** Names and values in turn, as node:http takes them; shared, and never changed. */
export type Headers = string[];

const NO_HEADERS: Headers = [];
/** Seconds; overload and drain pass quickly. */
export const RETRY_AFTER: Headers = ['Retry-After', '1'];

const REASON_PHRASES: ReadonlyMap<number, string> = new Map([[504, 'Not Enough Replicas']]);

/** The status of an outcome that is neither ok nor notFound. */
export function statusOf(outcome: Outcome): number {
  switch (outcome) {
    case Outcome.notEnoughReplicas:
      return 504;
    case Outcome.overloaded:
      return 503;
    case Outcome.badRequest:
      return 400;
    case Outcome.conditionFailed:
      return 412;
    default:
      return 500;
  }
}

/** The status of what a service's promise was rejected with. */
export function statusOfError(error: unknown): number {
  if (error instanceof QuorateError && error.code === 'BAD_REQUEST') return 400;
  return error instanceof Error && 'canRetry' in error && error.canRetry === true ? 503 : 500;
}

/** Extra headers that a status always carries. */
export function headersOf(status: number): Headers {
  return status === 503 ? RETRY_AFTER : NO_HEADERS;
}

export function sentenceBody(sentence: string): Buffer {
  return Buffer.from(`${sentence}\n`);
}

/** Writes the head of an answer whose body is a sentence. */
export function writeSentenceHead(
  response: ServerResponse,
  status: number,
  bodyBytes: number,
  headers: Headers,
  isClosing: boolean,
): void {
  const all = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', `${bodyBytes}`, ...headers];
  if (isClosing) all.push('Connection', 'close');
  writeHead(response, status, all);
}

/** Writes the head under the phrase that the status has here. */
export function writeHead(response: ServerResponse, status: number, headers: Headers): void {
  const phrase = REASON_PHRASES.get(status);
  if (phrase === undefined) response.writeHead(status, headers);
  else response.writeHead(status, phrase, headers);
}
