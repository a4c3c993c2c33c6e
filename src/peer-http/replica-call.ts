import { type ClientRequest, type IncomingMessage, request as startRequest } from 'node:http';
import { errorMessage } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import { judgeAnswer, TIMED_OUT } from '../rpc/response.ts';
import type { PeerAgent } from './peer-agent.ts';
import { FAILURE_HEADER, failureOf, kindOf, REPLY_HEADER, TIMEOUT_HEADER } from './wire.ts';

const FAILURE = FAILURE_HEADER.toLowerCase();
const REPLY = REPLY_HEADER.toLowerCase();
const NOT_OF_A_REPLICA = failed(FailureCode.protocol, "the peer's answer is none of a replica");
const TOO_LONG = failed(FailureCode.protocol, "the peer's answer is longer than any record");

/** Where a call goes, the same for all calls of one session. */
export interface CallTarget {
  readonly agent: PeerAgent;
  /** What is sent as Host. */
  readonly place: string;
  readonly maxRecordBytes: number;
}

/** Hears how far its calls are. */
export interface CallOwner {
  /** The sink has its reply; the connection may be busy still. */
  onAnswered(call: ReplicaCall): void;
  /** The connection is free, or gone. */
  onOver(call: ReplicaCall): void;
}

/** One request to one peer, from asking to its one reply. */
export class ReplicaCall {
  readonly deadlineMs: number;
  readonly #target: string;
  /** Null: it reads. */
  readonly #record: Uint8Array | null;
  readonly #sink: ReplySink;
  readonly #position: number;
  #request: ClientRequest | null = null;
  #isAnswered = false;
  #hasResponse = false;
  #wasRetried = false;
  /** It found its connection closed, and is to be sent again. */
  isToBeSentAgain = false;

  /** @param target of the request, which names the key */
  constructor(
    target: string,
    record: Uint8Array | null,
    deadlineMs: number,
    sink: ReplySink,
    position: number,
  ) {
    this.#target = target;
    this.#record = record;
    this.deadlineMs = deadlineMs;
    this.#sink = sink;
    this.#position = position;
  }

  get recordBytes(): number {
    return this.#record?.length ?? 0;
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  send({ agent, place, maxRecordBytes }: CallTarget, nowMs: number, owner: CallOwner): void {
    const record = this.#record;
    const headers = ['Host', place, TIMEOUT_HEADER, `${Math.max(Math.ceil(this.deadlineMs - nowMs), 0)}`];
    if (record !== null) headers.push('Content-Length', `${record.length}`);
    this.isToBeSentAgain = false;
    this.#hasResponse = false;
    const request = startRequest({
      agent,
      method: record === null ? 'GET' : 'PUT',
      path: this.#target,
      headers,
    });
    this.#request = request;
    request.on('response', (response) => this.#onResponse(response, maxRecordBytes, owner));
    request.on('error', (error) => this.#onError(request, error, owner));
    request.on('close', () => owner.onOver(this));
    if (record === null) request.end();
    else request.end(record);
  }

  /** Gives the reply, unless it was given. */
  answer(reply: ReplicaReply, owner: CallOwner): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    owner.onAnswered(this);
    this.#sink.onReply(this.#position, reply);
  }

  /** What comes from now on is of no use, and the connection that it would come on neither. */
  expire(owner: CallOwner): void {
    this.#request?.destroy();
    this.answer(TIMED_OUT, owner);
  }

  #onResponse(response: IncomingMessage, maxRecordBytes: number, owner: CallOwner): void {
    this.#hasResponse = true;
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxRecordBytes) chunks.push(chunk);
      else {
        this.answer(TOO_LONG, owner);
        response.destroy();
      }
    });
    response.on('end', () => this.answer(this.#replyOf(response, chunks), owner));
    response.on('error', (error) => this.answer(lost(error), owner));
  }

  #replyOf({ headers }: IncomingMessage, chunks: readonly Buffer[]): ReplicaReply {
    const kind = kindOf(headers[REPLY]);
    if (kind === undefined) return NOT_OF_A_REPLICA;
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    if (kind === ReplyKind.failed) {
      const code = failureOf(headers[FAILURE]);
      return code === undefined ? NOT_OF_A_REPLICA : failed(code, body.toString());
    }
    // A record has at least its header.
    const record = body.length === 0 ? null : body;
    return judgeAnswer(this.#record === null, kind, record, FailureCode.none, '');
  }

  #onError(request: ClientRequest, error: Error & { code?: string }, owner: CallOwner): void {
    const wasClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE';
    if (wasClosed && request.reusedSocket && !this.#hasResponse && !this.#wasRetried && !this.#isAnswered) {
      // The connection was closed while it was idle, and the peer has not seen the request. If it has all the same, it
      // finds of a write that it has this very version.
      this.#wasRetried = true;
      this.isToBeSentAgain = true;
      return;
    }
    const wasSent = request.socket !== null;
    this.answer(wasSent ? lost(error) : failed(FailureCode.peerUnavailable, errorMessage(error)), owner);
  }
}

function lost(error: Error): ReplicaReply {
  return failed(FailureCode.peerLost, `the HTTP connection broke: ${errorMessage(error)}`);
}
