/**
 * One scan, streamed page by page as the storage engine has encoded them. A page is written when the one before has
 * left for the kernel, and the one after it is asked for, so a client that does not read stops the scan. One that
 * reads too slowly is cut, and one whose slot another client needs more may be (`scan-slots.ts`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { OVERLOADED_SENTENCE } from '../admission/admission.ts';
import { MAX_PIPELINED_REQUESTS } from '../admission/client-connection.ts';
import type { Refusable } from '../admission/paced-refusals.ts';
import type { Scan } from '../admission/scan-slots.ts';
import { LineEntry } from '../admission/waiting-line.ts';
import { errorMessage } from '../errors.ts';
import { resetSocket } from '../reset-socket.ts';
import type { EncodedPage } from '../services.ts';
import { WAITS } from '../wait-places.ts';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import type { EntryEncoding } from './entry-encoding.ts';
import { clientOf } from './ip-address.ts';
import type { Reader } from './reader-watch.ts';
import { statusOfError } from './responses.ts';

/** Asked for at a time: little at first, as many scans are short, then twice as much each time. */
const FIRST_PAGE_BYTES = 64 * 1024;
const LAST_PAGE_BYTES = 1024 * 1024;
/** Written at a time. Between two writes everything else has a turn of the event loop. */
const WRITE_BYTES = 256 * 1024;
const BUSY_SENTENCE = 'The node streams as many scans as it does at a time: try again later.';

export class RangeStream implements Refusable, Scan, Reader {
  sinceMs = 0;
  behind: Refusable | null = null;
  ahead: Refusable | null = null;
  readonly client: string;
  sentBytes = 0;
  slotSinceMs = 0;
  readonly #context: HttpContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #encoding: EntryEncoding;
  readonly #start: Buffer;
  /** Null: to the last key. */
  readonly #end: Buffer | null;
  readonly #abort = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #pageBytes = FIRST_PAGE_BYTES;
  #isClosed = false;
  #onWritten: (() => void) | null = null;
  #isWaitingForPage = false;

  constructor(
    context: HttpContext,
    request: IncomingMessage,
    response: ServerResponse,
    encoding: EntryEncoding,
    start: Buffer,
    end: Buffer | null,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#encoding = encoding;
    this.#start = start;
    this.#end = end;
    this.client = clientOf(request.socket.remoteAddress);
  }

  get socket(): Socket {
    return this.#request.socket;
  }

  /** Not while it waits for a page itself, or for answers that are before this one. */
  get isAwaited(): boolean {
    return !this.#isWaitingForPage && this.#response.socket !== null;
  }

  start(): void {
    const { admission } = this.#context;
    const connection = HttpConnection.of(this.socket);
    if (connection.unanswered >= MAX_PIPELINED_REQUESTS) {
      admission.countRefused();
      this.#refuse(503, OVERLOADED_SENTENCE);
      return;
    }
    switch (admission.scans.enter(this)) {
      case LineEntry.now:
        this.#begin();
        break;
      case LineEntry.waiting:
        connection.unanswered++;
        this.#response.once('close', this.#onGoneWaiting);
        break;
      default:
        admission.countRefused();
        this.#context.admission.refusals.refuse(this);
    }
  }

  onSlot(): void {
    this.#endWaiting();
    this.#begin();
  }

  onNoSlot(): void {
    this.#endWaiting();
    this.#context.admission.countRefused();
    this.#refuse(503, BUSY_SENTENCE);
  }

  onRefused(): void {
    if (!this.socket.destroyed) this.#refuse(503, BUSY_SENTENCE);
  }

  onGiveWay(): void {
    this.#breakOff();
  }

  onTooSlow(): void {
    this.#context.admission.scans.countTooSlow();
    resetSocket(this.socket);
  }

  readonly #onGoneWaiting = (): void => {
    this.#endWaiting();
    this.#context.admission.scans.leave(this);
  };

  #endWaiting(): void {
    HttpConnection.of(this.socket).unanswered--;
    this.#response.off('close', this.#onGoneWaiting);
  }

  #begin(): void {
    const { admission, readers } = this.#context;
    const connection = HttpConnection.of(this.socket);
    connection.unanswered++;
    admission.beginRange();
    readers.add(this);
    this.#response.once('close', () => {
      this.#isClosed = true;
      readers.delete(this);
      this.#abort.abort();
      this.#onWritten?.();
      this.#closed.resolve();
    });
    void this.#run().then(() => {
      connection.unanswered--;
      admission.scans.leave(this);
      admission.endRange();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#stream();
    } catch (error) {
      this.#fail(error);
    }
    await this.#closed.promise;
  }

  async #stream(): Promise<void> {
    const pageAfter = (page: EncodedPage | null): Promise<EncodedPage | null> | null =>
      page === null || page.resumeAt === null || this.#isClosed ? null : this.#askPage(page.resumeAt);
    // One page is read while the one before is written, so that neither the disk nor the client waits for the other.
    let next: Promise<EncodedPage | null> = this.#askPage(this.#start);
    for (;;) {
      const following = next.then(pageAfter);
      // A failure is met where it is awaited. When the client has gone nobody awaits it.
      following.catch(() => undefined);
      this.#isWaitingForPage = true;
      const page = await next;
      this.#isWaitingForPage = false;
      if (this.#isClosed) {
        page?.[Symbol.dispose]();
        return;
      }
      if (!this.#response.headersSent) this.#writeHead();
      if (page === null) {
        this.#response.end(this.#encoding.end);
        return;
      }
      await this.#write(page.bytes, page.usedBytes);
      if (this.#isClosed) return;
      page[Symbol.dispose]();
      next = following;
    }
  }

  #askPage(start: Uint8Array): Promise<EncodedPage> {
    const { firstEncoder, ranges } = this.#context;
    const encoder = firstEncoder + this.#encoding.place;
    const page = ranges.page(start, this.#end, this.#pageBytes, encoder, this.#abort.signal);
    this.#pageBytes = Math.min(2 * this.#pageBytes, LAST_PAGE_BYTES);
    return page;
  }

  #writeHead(): void {
    const response = this.#response;
    const headers = ['Content-Type', this.#encoding.contentType];
    if (this.#encoding.isChunked) headers.push('Transfer-Encoding', 'chunked');
    if (this.#context.admission.isDraining) headers.push('Connection', 'close');
    response.writeHead(200, headers);
    // The chunks of the transfer coding are in the page, many in a write: node:http passes the bytes through.
    if (this.#encoding.isChunked) response.chunkedEncoding = false;
  }

  /** Resolves when the kernel has all of it, or the connection is gone. */
  async #write(bytes: Uint8Array, usedBytes: number): Promise<void> {
    for (let start = 0; start < usedBytes && !this.#isClosed; start += WRITE_BYTES) {
      const piece = bytes.subarray(start, Math.min(start + WRITE_BYTES, usedBytes));
      const beganMs = WAITS.httpSocket.begin();
      await this.#written(piece);
      WAITS.httpSocket.end(beganMs);
      this.sentBytes += piece.length;
    }
  }

  #written(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // A response that is closed before its turn came never calls back.
    this.#onWritten = resolve;
    // The callback comes in this turn of the event loop when the kernel takes all at once. To write the next piece in the
    // same turn would hold up everything else.
    this.#response.write(bytes, () => this.#context.clock.endOfTurn(resolve));
    return promise;
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#context.log.error(`A scan failed: ${errorMessage(error)}`);
    if (!this.#response.headersSent) {
      const status = statusOfError(error);
      this.#refuse(
        status,
        status === 500 ? 'The node failed while it read its entries.' : errorMessage(error),
      );
    } else {
      this.#breakOff();
    }
  }

  /** The client sees that the scan has not come to its end. */
  #breakOff(): void {
    // Without chunks the end of the connection is the end of the scan, unless it is a reset.
    if (this.#request.httpVersionMinor === 0) resetSocket(this.socket);
    else this.socket.destroy();
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }
}
