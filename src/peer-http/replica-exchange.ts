import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import type { Log } from '../log.ts';
import { failed, type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import { encodeReason } from '../rpc/codec.ts';
import type { ReplicaHandler } from '../rpc/replica-handler.ts';
import {
  FAILURE_HEADER,
  keyOf,
  kindName,
  REPLY_HEADER,
  statusOf,
  TIMEOUT_HEADER,
  timeoutOf,
  versionKeyOf,
} from './wire.ts';

const TIMEOUT = TIMEOUT_HEADER.toLowerCase();
const EMPTY = Buffer.alloc(0);
const NO_KEY = failed(FailureCode.notServed, 'the target of the request names no key');
const NO_METHOD = failed(FailureCode.notServed, 'the method is neither GET nor PUT');
const NO_TIMEOUT = failed(FailureCode.malformed, `the request has no ${TIMEOUT_HEADER}`);
const NO_LENGTH = failed(FailureCode.malformed, 'the request does not say how long its record is');
const TOO_LARGE = failed(FailureCode.tooLarge, 'the record is larger than this node takes');
const RECORDS_FULL = failed(FailureCode.queueFull, 'too many records are on their way to this node');
const ANSWERS_FULL = failed(FailureCode.queueFull, 'too many answers to send');

/** The bytes that the connections of one peer may hold at a time. */
export class ByteShare {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.#most) return false;
    this.#held += bytes;
    return true;
  }

  free(bytes: number): void {
    this.#held -= bytes;
  }
}

export interface ExchangeContext {
  readonly handler: ReplicaHandler;
  readonly log: Log;
  readonly maxRecordBytes: number;
  readonly isStopping: boolean;
}

/** What a peer's connections share. */
export interface PeerShares {
  readonly nodeId: string;
  readonly incoming: ByteShare;
  readonly outgoing: ByteShare;
}

/** One request of a peer: its record is read, the replica asked, and its reply written. */
export class ReplicaExchange implements ReplySink {
  readonly #context: ExchangeContext;
  readonly #shares: PeerShares;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #onReplied: () => void;
  readonly #isWrite: boolean;
  /** Of `incoming`, that this exchange holds. */
  #incomingBytes = 0;

  /** @param onReplied called once its answer is handed on to be sent, or there will be none */
  constructor(
    context: ExchangeContext,
    shares: PeerShares,
    request: IncomingMessage,
    response: ServerResponse,
    onReplied: () => void,
  ) {
    this.#context = context;
    this.#shares = shares;
    this.#request = request;
    this.#response = response;
    this.#onReplied = onReplied;
    this.#isWrite = request.method === 'PUT';
  }

  start(): void {
    const { method, headers, url = '' } = this.#request;
    const key = keyOf(url);
    const timeoutMs = timeoutOf(headers[TIMEOUT]);
    if (method !== 'GET' && method !== 'PUT') this.#refuseUnread(NO_METHOD);
    else if (method === 'PUT') this.#readRecord(key, timeoutMs);
    else this.#read(key, key === null ? versionKeyOf(url) : null, timeoutMs);
  }

  onReply(_token: number, reply: ReplicaReply): void {
    const response = this.#response;
    this.#freeIncoming();
    const record = reply.record ?? EMPTY;
    // A connection that has closed takes no answer, and then none is kept for it.
    if (!response.destroyed) {
      if (!this.#shares.outgoing.take(record.length)) this.#write(ANSWERS_FULL, EMPTY);
      else {
        if (record.length > 0) response.on('close', () => this.#shares.outgoing.free(record.length));
        this.#write(reply, record);
      }
    }
    this.#onReplied();
  }

  #read(key: Buffer | null, versionKey: Buffer | null, timeoutMs: number | undefined): void {
    const { handler } = this.#context;
    const refusal = this.#refusalOf(key ?? versionKey, timeoutMs);
    if (refusal !== null) this.#refuse(refusal);
    else if (key !== null) this.#ask(() => handler.read(key, timeoutMs as number, this, 0));
    else this.#ask(() => handler.readVersion(versionKey as Uint8Array, timeoutMs as number, this, 0));
  }

  #refusalOf(key: Uint8Array | null, timeoutMs: number | undefined): ReplicaReply | null {
    if (key === null) return NO_KEY;
    return timeoutMs === undefined ? NO_TIMEOUT : null;
  }

  #readRecord(key: Uint8Array | null, timeoutMs: number | undefined): void {
    const request = this.#request;
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    if (Number.isNaN(length)) {
      this.#refuseUnread(NO_LENGTH);
      return;
    }
    if (length > this.#context.maxRecordBytes) {
      this.#refuseUnread(TOO_LARGE);
      return;
    }
    const refusal = this.#refusalOf(key, timeoutMs) ?? this.#take(length);
    const chunks: Buffer[] = [];
    // The record of a refused request is read and not kept: a peer that is still sending could lose the answer.
    if (refusal === null) request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    else request.resume();
    request.on('end', () => {
      if (refusal !== null) {
        this.#refuse(refusal);
        return;
      }
      const record = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const { handler } = this.#context;
      this.#ask(() => handler.write(key as Uint8Array, record, this, 0, timeoutMs as number));
    });
    // The peer has closed the connection before the end of the record, so nobody waits for an answer.
    request.on('error', () => {
      this.#freeIncoming();
      this.#onReplied();
    });
  }

  #take(bytes: number): ReplicaReply | null {
    if (!this.#shares.incoming.take(bytes)) return RECORDS_FULL;
    this.#incomingBytes = bytes;
    return null;
  }

  #ask(ask: () => void): void {
    try {
      ask();
    } catch (error) {
      // It is not known whether the handler has answered, so no answer can be given: the peer sees a lost connection.
      const { log } = this.#context;
      log.error(`A request of node ${this.#shares.nodeId} over HTTP failed: ${errorMessage(error)}`);
      this.#freeIncoming();
      this.#request.socket.destroy();
    }
  }

  #refuse(reply: ReplicaReply): void {
    this.#write(reply, EMPTY);
    this.#onReplied();
  }

  /** No node sends what is refused so: its body is not read, and the connection closed. */
  #refuseUnread(reply: ReplicaReply): void {
    this.#response.shouldKeepAlive = false;
    this.#refuse(reply);
  }

  #write({ kind, code, reason }: ReplicaReply, record: Uint8Array): void {
    const response = this.#response;
    const headers = [REPLY_HEADER, kindName(kind)];
    let body = record;
    if (kind === ReplyKind.failed) {
      headers.push(FAILURE_HEADER, `${code}`);
      body = encodeReason(reason);
    }
    headers.push('Content-Length', `${body.length}`);
    if (this.#context.isStopping) response.shouldKeepAlive = false;
    response.sendDate = false;
    response.writeHead(statusOf(kind, code, this.#isWrite), headers);
    response.end(body);
  }

  #freeIncoming(): void {
    this.#shares.incoming.free(this.#incomingBytes);
    this.#incomingBytes = 0;
  }
}
