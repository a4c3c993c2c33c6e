/**
 * One scan, streamed page by page as the storage engine has framed them. A page is written when the one before has
 * left for the kernel, and the one after it is asked for, so a client that does not read stops the scan, and after
 * a while is cut.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage } from '../errors.ts';
import { Connection, MAX_PIPELINED_REQUESTS } from './connection.ts';
import type { HttpContext } from './context.ts';
import { answerEarly } from './early-answer.ts';
import type { EntryFraming } from './entry-framing.ts';
import type { Refusable } from './paced-refusals.ts';
import { OVERLOADED_SENTENCE, statusOfError } from './responses.ts';
import type { FramedPage } from './services.ts';

/** Asked for at a time: little at first, as many scans are short, then twice as much each time. */
const FIRST_PAGE_BYTES = 64 * 1024;
const LAST_PAGE_BYTES = 1024 * 1024;
/** Written at a time: below what a slow client needs long for. */
const WRITE_BYTES = 256 * 1024;

export class RangeStream implements Refusable {
  sinceMs = 0;
  behind: Refusable | null = null;
  readonly #context: HttpContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #framing: EntryFraming;
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
    framing: EntryFraming,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#framing = framing;
  }

  /** @param end null: to the last key */
  start(start: Buffer, end: Buffer | null): void {
    const { admission } = this.#context;
    const connection = Connection.of(this.#request.socket);
    if (connection.unanswered >= MAX_PIPELINED_REQUESTS) {
      admission.countRefused();
      this.#refuse(503, OVERLOADED_SENTENCE);
      return;
    }
    if (!admission.admitRange()) {
      this.#context.lines.refusals.refuse(this);
      return;
    }
    connection.unanswered++;
    this.#response.once('close', () => {
      this.#isClosed = true;
      this.#abort.abort();
      this.#onWritten?.();
      this.#closed.resolve();
    });
    this.#response.setTimeout(this.#context.limits.rangeTimeoutMs, () => this.#onUnread());
    void this.#run(start, end).then(() => {
      connection.unanswered--;
      admission.releaseRange();
    });
  }

  onRefused(): void {
    if (this.#request.socket.destroyed) return;
    this.#refuse(503, 'The node streams as many scans as it does at a time: try again later.');
  }

  async #run(start: Buffer, end: Buffer | null): Promise<void> {
    try {
      await this.#stream(start, end);
    } catch (error) {
      this.#fail(error);
    }
    await this.#closed.promise;
  }

  async #stream(start: Buffer, end: Buffer | null): Promise<void> {
    const pageAfter = (page: FramedPage | null): Promise<FramedPage | null> | null =>
      page === null || page.resumeAt === null || this.#isClosed ? null : this.#askPage(page.resumeAt, end);
    // One page is read while the one before is written, so that neither the disk nor the client waits for the other.
    let next: Promise<FramedPage | null> = this.#askPage(start, end);
    for (;;) {
      const following = next.then(pageAfter);
      // Whoever awaits it is told. Nobody does when the client is gone before.
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
        this.#response.end(this.#framing.end);
        return;
      }
      await this.#write(page.bytes, page.usedBytes);
      if (this.#isClosed) return;
      page[Symbol.dispose]();
      next = following;
    }
  }

  #askPage(start: Uint8Array, end: Buffer | null): Promise<FramedPage> {
    const { ranges } = this.#context.services;
    const page = ranges.page(start, end, this.#pageBytes, this.#framing.number, this.#abort.signal);
    this.#pageBytes = Math.min(2 * this.#pageBytes, LAST_PAGE_BYTES);
    return page;
  }

  #writeHead(): void {
    const response = this.#response;
    const headers = ['Content-Type', this.#framing.contentType];
    if (this.#framing.isChunked) headers.push('Transfer-Encoding', 'chunked');
    if (this.#context.admission.isDraining) headers.push('Connection', 'close');
    response.writeHead(200, headers);
    // The chunks are framed here, many in a write: node:http passes the bytes through.
    if (this.#framing.isChunked) response.chunkedEncoding = false;
  }

  /** Resolves when the kernel has all of it, or the connection is gone. */
  async #write(bytes: Uint8Array, usedBytes: number): Promise<void> {
    for (let start = 0; start < usedBytes && !this.#isClosed; start += WRITE_BYTES) {
      await this.#written(bytes.subarray(start, Math.min(start + WRITE_BYTES, usedBytes)));
    }
  }

  #written(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // A response that is closed before its turn came never calls back.
    this.#onWritten = resolve;
    // What the kernel takes at once calls back in this turn of the event loop, and pages that wait would hold it for
    // long: all else is given a turn in between.
    this.#response.write(bytes, () => this.#context.clock.endOfTurn(resolve));
    return promise;
  }

  #onUnread(): void {
    // Slow may also be the page; the next write starts the time-out again.
    if (this.#isWaitingForPage) return;
    this.#context.log.debug('A client that left its scan unread was cut.');
    this.#request.socket.resetAndDestroy();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#context.log.error(`A scan failed: ${errorMessage(error)}`);
    const { socket } = this.#request;
    if (!this.#response.headersSent) {
      const status = statusOfError(error);
      this.#refuse(
        status,
        status === 500 ? 'The node failed while it read its entries.' : errorMessage(error),
      );
    } else if (this.#request.httpVersionMinor === 0) {
      // Without chunks the end of the connection is the end of the scan, unless it is a reset.
      socket.resetAndDestroy();
    } else {
      socket.destroy();
    }
  }

  #refuse(status: number, sentence: string): void {
    answerEarly(this.#context, this.#request, this.#response, status, sentence);
  }
}
