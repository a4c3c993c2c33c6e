/**
 * A request for a profile of the node. Its answer begins when the profile has, and is there when that has ended: by its
 * time, or by a DELETE. A client that goes away takes its profile with it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { errorMessage, QuorateError } from '../errors.ts';
import { isLoopback } from '../host.ts';
import type { ProfileService, RunningProfile } from '../services.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { readProfileQuery } from './profile-query.ts';
import { statusOfError } from './responses.ts';

const NOT_FROM_HERE = 'A node is profiled by programs on its own machine alone: use its loopback address.';
/**
 * White space before the JSON, now and then: a client that has gone can look like one that has only shut its half of
 * the connection, until something is sent to it.
 */
const SIGN = '\n';
const SIGN_MS = 250;
const NOT_UNDER_WAY = 'The node is not being profiled.';

export class ProfileExchange {
  readonly #context: HttpContext;
  readonly #profiles: ProfileService;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(
    context: HttpContext,
    profiles: ProfileService,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#context = context;
    this.#profiles = profiles;
    this.#request = request;
    this.#response = response;
  }

  /** @param query what stands behind the `?` */
  start(query: string): void {
    if (!isLoopback(this.#request.socket.remoteAddress ?? '')) {
      this.#refuse(403, NOT_FROM_HERE);
      return;
    }
    if (this.#request.method === 'DELETE') {
      if (this.#profiles.end()) this.#response.writeHead(202, ['Content-Length', '0']).end();
      else this.#refuse(404, NOT_UNDER_WAY);
      return;
    }
    void this.#profile(query);
  }

  async #profile(query: string): Promise<void> {
    const response = this.#response;
    let running: RunningProfile;
    try {
      running = await this.#profiles.begin(readProfileQuery(query));
    } catch (error) {
      const status = error instanceof QuorateError && error.code === 'CONFLICT' ? 409 : statusOfError(error);
      if (status === 500) this.#context.log.error(`A profile failed: ${errorMessage(error)}`);
      if (!response.destroyed) this.#refuse(status, `The profile does not begin: ${errorMessage(error)}.`);
      return;
    }
    response.once('close', () => running.cancel());
    if (response.destroyed) running.cancel();
    response.writeHead(200, ['Content-Type', 'application/json', 'Transfer-Encoding', 'chunked']);
    response.flushHeaders();
    const signs = this.#context.clock.every(SIGN_MS, () => response.write(SIGN));
    let document: readonly string[] | null = null;
    try {
      document = await running.document;
    } catch (error) {
      this.#context.log.error(`A profile failed: ${errorMessage(error)}`);
    }
    signs.cancel();
    // The client sees that nothing more comes.
    if (document === null) this.#request.socket.destroy();
    else pipeline(Readable.from(document), response, () => undefined);
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }
}
