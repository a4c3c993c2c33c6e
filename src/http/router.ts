/** Finds what serves a request. Path, method and query are checked here, and their faults are answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DRAINING_SENTENCE } from '../admission/admission.ts';
import { errorMessage } from '../errors.ts';
import { type RequestOptions, requestOptions } from '../request-options.ts';
import { accepts } from './accept.ts';
import { declaredBodyBytes, UNSUPPORTED_CODING, UNSUPPORTED_CODING_SENTENCE } from './body.ts';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { DiscardedBody } from './discarded-body.ts';
import { answerEarly, MAX_DISCARDED_BODY_BYTES } from './early-answer.ts';
import { EntityExchange } from './entity-exchange.ts';
import { EntityQuery } from './entity-query.ts';
import { chunkEncoding, msgpackEncoding } from './entry-encoding.ts';
import { isFault, readCondition } from './precondition.ts';
import { ProfileExchange } from './profile-exchange.ts';
import { namesFault, RangeQuery, type RequestFault } from './query.ts';
import { RangeStream } from './range-stream.ts';
import { RETRY_AFTER } from './responses.ts';
import { readSlotQuery } from './slot-query.ts';
import { hasBody, watchOfferedBody } from './upgrade.ts';

const ENTITY = '/v0/entity';
const ENTITIES = '/v0/entities';
const STATUS = '/v0/status';
const PROFILE = '/v0/profile';
const REPAIR = '/v0/repair';
const ENTITY_QUERY = `${ENTITY}?`;
const NOT_FOUND = `There is nothing at this path: there are ${ENTITY}, ${ENTITIES}, ${STATUS} and ${REPAIR}.`;
const MSGPACK = 'application/x-msgpack';

export class Router {
  readonly #context: HttpContext;
  readonly #entityQuery = new EntityQuery();
  readonly #rangeQuery = new RangeQuery();

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** @param expectsContinue the client sends its body only when it is told to go on */
  handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const connection = HttpConnection.of(request.socket);
    if (connection.isClosing) return;
    connection.latestResponse = response;
    connection.bodyReader = null;
    const fault = this.#context.hosts.faultOf(request);
    if (fault !== null) {
      this.#refuse(request, response, fault);
      return;
    }
    const { headers } = request;
    if (headers.upgrade !== undefined && hasBody(request)) {
      connection.isClosing = true;
      response.shouldKeepAlive = false;
      watchOfferedBody(request);
    }
    if (headers['transfer-encoding'] !== undefined && this.#waitsForBody(request, response)) return;
    this.#route(request, response, expectsContinue);
  }

  #route(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const target = request.url ?? '';
    if (target.startsWith(ENTITY_QUERY)) {
      this.#entity(request, response, ENTITY_QUERY.length, expectsContinue);
      return;
    }
    const pathStart = startOfPath(target);
    const queryMark = target.indexOf('?', pathStart);
    const pathEnd = queryMark < 0 ? target.length : queryMark;
    const queryStart = Math.min(pathEnd + 1, target.length);
    switch (target.slice(pathStart, pathEnd)) {
      case ENTITY:
        this.#entity(request, response, queryStart, expectsContinue);
        break;
      case ENTITIES:
        this.#entities(request, response, queryStart);
        break;
      case STATUS:
        this.#status(request, response, target.slice(queryStart));
        break;
      case REPAIR:
        this.#repair(request, response, target.slice(queryStart));
        break;
      case PROFILE:
        this.#profile(request, response, target.slice(queryStart));
        break;
      default:
        this.#answer(request, response, 404, NOT_FOUND);
    }
  }

  refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    const connection = HttpConnection.of(request.socket);
    if (connection.isClosing) return;
    connection.latestResponse = response;
    connection.bodyReader = null;
    this.#answer(request, response, 417, 'The only expectation met here is 100-continue.');
  }

  #entity(request: IncomingMessage, response: ServerResponse, queryStart: number, expects: boolean): void {
    const { method } = request;
    if (method !== 'GET' && method !== 'PUT' && method !== 'DELETE') {
      this.#refuseMethod(request, response, 'GET, PUT, DELETE');
      return;
    }
    if (this.#isDraining(request, response)) return;
    if (method !== 'PUT' && this.#hasUselessBody(request, response)) return;
    const query = this.#entityQuery;
    const fault = query.read(method, request.url ?? '', queryStart, this.#context.limits.maxKeyBytes);
    if (fault !== null) {
      this.#refuse(request, response, fault);
      return;
    }
    const { key } = query;
    const options = this.#withCondition(query.options, request, response);
    if (options === null) return;
    new EntityExchange(this.#context, request, response, method, key, options).start(expects);
  }

  /** @returns null: the request is answered, as its condition cannot be read */
  #withCondition(
    options: RequestOptions,
    request: IncomingMessage,
    response: ServerResponse,
  ): RequestOptions | null {
    const ifMatch = request.headers['if-match'];
    const ifNoneMatch = request.headers['if-none-match'];
    if (ifMatch === undefined && ifNoneMatch === undefined) return options;
    const condition = readCondition(ifMatch, ifNoneMatch);
    if (!isFault(condition)) return requestOptions({ ...options, condition });
    this.#refuse(request, response, condition);
    return null;
  }

  #entities(request: IncomingMessage, response: ServerResponse, queryStart: number): void {
    if (request.method !== 'GET') {
      this.#refuseMethod(request, response, 'GET');
      return;
    }
    if (this.#isDraining(request, response) || this.#hasUselessBody(request, response)) return;
    const query = this.#rangeQuery;
    const fault = query.read(request.url ?? '', queryStart, this.#context.limits.maxKeyBytes);
    if (fault !== null) {
      this.#refuse(request, response, fault);
      return;
    }
    const encoding = accepts(request.headers.accept ?? '', MSGPACK) ? msgpackEncoding : chunkEncoding;
    if (encoding.isChunked && !isHttp11(request)) {
      const sentence = 'Entries come as HTTP chunks: use HTTP/1.1, or Accept: application/x-msgpack.';
      this.#answer(request, response, 400, sentence);
      return;
    }
    if (query.isEmpty) {
      response.writeHead(200, ['Content-Type', encoding.contentType, 'Content-Length', '0']);
      response.end();
      return;
    }
    new RangeStream(this.#context, request, response, encoding, query.start, query.end).start();
  }

  /** Not counted by admission: a node that is overloaded still serves. */
  #status(request: IncomingMessage, response: ServerResponse, query: string): void {
    if (request.method !== 'GET') {
      this.#refuseMethod(request, response, 'GET');
      return;
    }
    if (this.#hasUselessBody(request, response)) return;
    const fault = namesFault(query, []);
    if (fault !== null) {
      this.#refuse(request, response, fault);
      return;
    }
    const { admission, status, log } = this.#context;
    let body: Buffer;
    try {
      body = Buffer.from(`${JSON.stringify(status.status())}\n`);
    } catch (error) {
      log.error(`The status could not be told: ${errorMessage(error)}`);
      this.#answer(request, response, 500, 'The node failed to tell its status.');
      return;
    }
    const headers = ['Content-Type', 'application/json', 'Content-Length', `${body.length}`];
    if (admission.isDraining) headers.push(...RETRY_AFTER, 'Connection', 'close');
    response.writeHead(admission.isDraining ? 503 : 200, headers);
    response.end(body);
  }

  /** For whoever may write: it does no more than the node does by itself now and then. */
  #repair(request: IncomingMessage, response: ServerResponse, query: string): void {
    if (request.method !== 'POST') {
      this.#refuseMethod(request, response, 'POST');
      return;
    }
    if (this.#isDraining(request, response) || this.#hasUselessBody(request, response)) return;
    const span = readSlotQuery(query);
    if ('sentence' in span) {
      this.#refuse(request, response, span);
      return;
    }
    const repair = this.#context.repairs.repair(span.first, span.last);
    const body = Buffer.from(`${JSON.stringify({ repair })}\n`);
    response.writeHead(202, ['Content-Type', 'application/json', 'Content-Length', `${body.length}`]);
    response.end(body);
  }

  /** Without the setting that allows it, a node has no such path. */
  #profile(request: IncomingMessage, response: ServerResponse, query: string): void {
    const { profiles } = this.#context;
    if (profiles === null) {
      this.#answer(request, response, 404, NOT_FOUND);
    } else if (request.method !== 'POST' && request.method !== 'DELETE') {
      this.#refuseMethod(request, response, 'POST, DELETE');
    } else if (!isHttp11(request)) {
      this.#answer(request, response, 400, 'A profile comes as HTTP chunks: use HTTP/1.1.');
    } else if (!this.#isDraining(request, response) && !this.#hasUselessBody(request, response)) {
      new ProfileExchange(this.#context, profiles, request, response).start(query);
    }
  }

  #isDraining(request: IncomingMessage, response: ServerResponse): boolean {
    const { admission } = this.#context;
    if (!admission.isDraining) return false;
    admission.countRefused();
    this.#answer(request, response, 503, DRAINING_SENTENCE);
    return true;
  }

  /** A request with a transfer coding: refused, or a GET or DELETE that is served when its body has been read. */
  #waitsForBody(request: IncomingMessage, response: ServerResponse): boolean {
    const { method } = request;
    if (!isHttp11(request)) {
      // HTTP/1.0 has no chunks, so a proxy of that version would find the end of this request elsewhere.
      const sentence = 'The request has a Transfer-Encoding, which HTTP/1.0 does not know: use HTTP/1.1.';
      this.#answer(request, response, 400, sentence);
      return true;
    }
    if (method !== 'GET' && method !== 'DELETE') return false;
    if (declaredBodyBytes(request) === UNSUPPORTED_CODING) {
      this.#answer(request, response, 501, UNSUPPORTED_CODING_SENTENCE);
      return true;
    }
    new DiscardedBody(request, {
      onDiscarded: () => this.#route(request, response, false),
      onRefused: (status, sentence) => this.#answer(request, response, status, sentence),
    });
    return true;
  }

  /** A short body where none belongs is thrown away by node:http when the answer is sent; a long one is refused. */
  #hasUselessBody(request: IncomingMessage, response: ServerResponse): boolean {
    const declared = request.complete ? 0 : declaredBodyBytes(request);
    if (declared >= 0 && declared <= MAX_DISCARDED_BODY_BYTES) return false;
    const sentence = `The request has a body, which ${request.method} does not take here: send none.`;
    this.#answer(request, response, 413, sentence);
    return true;
  }

  #refuseMethod(request: IncomingMessage, response: ServerResponse, allowed: string): void {
    const sentence = `The method ${request.method} is not for this path, which takes ${allowed}.`;
    answerEarly(this.#context, request, response, 405, sentence, ['Allow', allowed]);
  }

  #refuse(request: IncomingMessage, response: ServerResponse, fault: RequestFault): void {
    this.#answer(request, response, fault.status, fault.sentence);
  }

  #answer(request: IncomingMessage, response: ServerResponse, status: number, sentence: string): void {
    answerEarly(this.#context, request, response, status, sentence);
  }
}

function isHttp11(request: IncomingMessage): boolean {
  return request.httpVersionMajor === 1 && request.httpVersionMinor === 1;
}

/** Where the path starts: at 0, except in `http://host/path`, which proxies are sent and servers have to understand. */
function startOfPath(target: string): number {
  const scheme = /^https?:\/\/[^/?#]*/i.exec(target);
  return scheme === null ? 0 : scheme[0].length;
}
