/**
 * A request for a profile of the node. Its answer begins when the profile has, and is there when that has ended: by its
 * time, or by a DELETE. A client that goes away takes its profile with it, and one that does not read it is cut, as the
 * next profile begins only when it has left.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { errorMessage, QuorateError } from '../errors.ts';
import { isLoopback } from '../host.ts';
import { resetSocket } from '../reset-socket.ts';
import type { ProfileService, RunningProfile } from '../services.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import { namesLoopback } from './host-check.ts';
import { PROFILE_PARAMETERS, readProfileQuery } from './profile-query.ts';
import { namesFault } from './query.ts';
import type { Reader } from './reader-watch.ts';
import { statusOfError } from './responses.ts';

const NOT_FROM_HERE = 'A node is profiled by programs on its own machine alone: use its loopback address.';
const NOT_DIRECT =
  'A node is profiled by programs on its own machine alone, and this request has come through a proxy.';
/** What proxies add to the requests that they pass on, whoever has sent them. */
const FORWARDED = /^(?:forwarded|via|x-real-ip|x-forwarded-.+)$/;
/**
 * White space before the JSON, now and then: a client that has gone can look like one that has only shut its half of
 * the connection, until something is sent to it.
 */
const SIGN = '\n';
const SIGN_MS = 250;
const NOT_UNDER_WAY = 'The node is not being profiled.';

export class ProfileExchange implements Reader {
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

  get socket(): Socket {
    return this.#request.socket;
  }

  /** Not behind other answers of its connection. */
  get isAwaited(): boolean {
    return this.#response.socket !== null;
  }

  onTooSlow(): void {
    resetSocket(this.socket);
  }

  /** @param query what stands behind the `?` */
  start(query: string): void {
    const stranger = this.#strangerSentence();
    if (stranger !== null) {
      this.#refuse(403, stranger);
      return;
    }
    // The one that ends a profile may have the parameters that began it.
    const fault = namesFault(query, PROFILE_PARAMETERS);
    if (fault !== null) {
      this.#refuse(fault.status, fault.sentence);
      return;
    }
    if (this.#request.method === 'DELETE') {
      if (this.#profiles.end()) this.#response.writeHead(202, ['Content-Length', '0']).end();
      else this.#refuse(404, NOT_UNDER_WAY);
      return;
    }
    void this.#profile(query);
  }

  /** Null: it comes from a program on this machine, and not through a proxy there, which may pass on anybody's. */
  #strangerSentence(): string | null {
    const request = this.#request;
    if (!isLoopback(this.socket.remoteAddress ?? '') || !namesLoopback(request)) return NOT_FROM_HERE;
    return Object.keys(request.headers).some((name) => FORWARDED.test(name)) ? NOT_DIRECT : null;
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
    response.writeHead(200, ['Content-Type', 'application/json', 'Transfer-Encoding', 'chunked']);
    response.flushHeaders();
    const signs = this.#context.clock.every(SIGN_MS, () => response.write(SIGN));
    const leave = (): void => {
      signs.cancel();
      this.#context.readers.delete(this);
      running[Symbol.dispose]();
    };
    response.once('close', leave);
    if (response.destroyed) leave();
    let document: readonly string[] | null = null;
    try {
      document = await running.document;
    } catch (error) {
      this.#context.log.error(`A profile failed: ${errorMessage(error)}`);
    }
    signs.cancel();
    // The client sees that nothing more comes.
    if (document === null || response.destroyed) {
      this.socket.destroy();
      return;
    }
    this.#context.readers.add(this);
    pipeline(Readable.from(document), response, () => undefined);
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }
}
