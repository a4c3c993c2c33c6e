/**
 * One HTTP request for a command: node:http without keep-alive, bytes in and bytes out. `fetch` is not used: it
 * loads three times as much code and hides where a body broke off.
 */

import http from 'node:http';
import { text } from 'node:stream/consumers';
import { PROGRAM } from '../program.ts';
import { CommandError, ExitCode, exitCodeOfStatus } from './exit-codes.ts';

/** Longer than every deadline that a node has by default: it fires only when the node sends nothing at all. */
const SILENCE_TIMEOUT_MS = 30_000;

interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly silenceTimeoutMs?: number;
}

/**
 * @returns the answer, with any status, as soon as its headers are there
 * @throws CommandError `unreachable`
 */
export function send(request: HttpRequest): Promise<http.IncomingMessage> {
  const { method, url, body, headers, silenceTimeoutMs = SILENCE_TIMEOUT_MS } = request;
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const outgoing = http.request(url, {
    method,
    agent: false,
    timeout: silenceTimeoutMs,
    headers: { ...headers },
  });
  outgoing.on('response', resolve);
  outgoing.on('timeout', () => outgoing.destroy(new Error(`silent for ${silenceTimeoutMs / 1000} s`)));
  outgoing.on('error', (error) => reject(unreachable(url, error)));
  outgoing.end(body);
  return promise;
}

/**
 * Like `send`, but an answer other than 2xx is thrown as a CommandError that carries the node's own sentence.
 * @param absent the meaning of a 404 that has no sentence
 */
export async function sendOrThrow(request: HttpRequest, absent?: string): Promise<http.IncomingMessage> {
  const response = await send(request);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) {
    return response;
  }
  throw await refusalOf(response, absent);
}

/** What an answer other than 2xx means. */
export async function refusalOf(response: http.IncomingMessage, absent?: string): Promise<CommandError> {
  const status = response.statusCode ?? 0;
  let sentence = '';
  try {
    sentence = (await text(response)).trim();
  } catch {
    // The status alone says enough.
  }
  if (status === 404 && sentence === '' && absent !== undefined) {
    return new CommandError(ExitCode.notFound, absent);
  }
  const reason = `${status} ${response.statusMessage ?? ''}`.trim();
  return new CommandError(exitCodeOfStatus(status), sentence === '' ? reason : `${reason}: ${sentence}`);
}

/**
 * The body of an answer that is a JSON object.
 * @throws CommandError `unreachable` for a body that breaks off
 */
export async function readObject(
  url: string,
  response: http.IncomingMessage,
): Promise<Readonly<Record<string, unknown>>> {
  let body: string;
  try {
    body = await text(response);
  } catch (error) {
    throw unreachable(url, error);
  }
  const parsed = parse(body);
  if (typeof parsed === 'object' && parsed !== null) return { ...parsed };
  throw new CommandError(ExitCode.error, `what answers at ${new URL(url).origin} is not a Quorate node`);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

export function unreachable(url: string, error: unknown): CommandError {
  const { origin } = new URL(url);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') {
    const advice = `start a cluster with \`${PROGRAM} serve\` or name another node with --url`;
    return new CommandError(ExitCode.unreachable, `nothing listens at ${origin}`, advice);
  }
  const detail = error instanceof Error && error.message !== '' ? error.message : code;
  return new CommandError(ExitCode.unreachable, `no whole answer from ${origin}: ${detail}`);
}
