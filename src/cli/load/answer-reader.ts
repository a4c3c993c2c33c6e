/**
 * Finds the end of each answer on a connection without keeping any of its bytes: by Content-Length, by chunks, or by
 * the end of the connection. Pure; one a connection.
 */
const State = { head: 0, body: 1, chunkSize: 2, chunkData: 3, chunkEnd: 4, trailer: 5, toTheEnd: 6 } as const;
type State = (typeof State)[keyof typeof State];

const LF = 0x0a;
const CR = 0x0d;
const MAX_LINE_BYTES = 16 * 1024;
const CONTENT_LENGTH = 'content-length:';
const TRANSFER_ENCODING = 'transfer-encoding:';
const CONNECTION = 'connection:';
const RETRY_AFTER = 'retry-after:';

export class AnswerReader {
  /** Of the answer whose status line came last; 0 before there is one. */
  status = 0;
  /** Of its body, so far. */
  bodyBytes = 0;
  /** The server closes the connection behind it. */
  closes = false;
  /** What a 503 asks its client to wait; 0: nothing. */
  retryAfterSeconds = 0;
  #state: State = State.head;
  #line = '';
  #isFirstLine = true;
  #hasLength = false;
  #isChunked = false;
  #left = 0;

  /** Its body lasts to the end of the connection, so that a clean end there is its end. */
  get endsWithConnection(): boolean {
    return this.#state === State.toTheEnd;
  }

  /** Forgets what has come: for the next connection. */
  reset(): void {
    this.status = 0;
    this.#state = State.head;
    this.#line = '';
    this.#beginHead();
  }

  /**
   * Takes bytes that have come.
   * @returns whether the answer is whole; nothing may follow it, as no other request is out
   * @throws Error for what is no HTTP answer, or bytes behind the answer
   */
  push(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case State.head:
        case State.chunkSize:
        case State.chunkEnd:
        case State.trailer:
          at = this.#readLine(bytes, at, end);
          break;
        case State.body:
        case State.chunkData: {
          const taken = Math.min(this.#left, end - at);
          at += taken;
          this.bodyBytes += taken;
          this.#left -= taken;
          if (this.#left === 0 && this.#state === State.chunkData) this.#state = State.chunkEnd;
          break;
        }
        default:
          this.bodyBytes += end - at;
          return false;
      }
      if (this.#isWhole) {
        if (at < end) throw new Error('bytes behind the answer');
        return true;
      }
    }
    return false;
  }

  get #isWhole(): boolean {
    if (this.#state !== State.body || this.#left > 0) return false;
    this.#state = State.head;
    this.#beginHead();
    return true;
  }

  #beginHead(): void {
    this.#isFirstLine = true;
    this.#hasLength = false;
    this.#isChunked = false;
  }

  #readLine(bytes: Buffer, at: number, end: number): number {
    const lf = bytes.indexOf(LF, at);
    if (lf < 0 || lf >= end) {
      this.#line += bytes.toString('latin1', at, end);
      if (this.#line.length > MAX_LINE_BYTES) throw new Error('a header line that does not end');
      return end;
    }
    const lineEnd = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf;
    let line = bytes.toString('latin1', at, lineEnd);
    if (this.#line !== '') {
      line = this.#line + line;
      if (line.endsWith('\r')) line = line.slice(0, -1);
      this.#line = '';
    }
    this.#onLine(line);
    return lf + 1;
  }

  #onLine(line: string): void {
    switch (this.#state) {
      case State.head:
        if (this.#isFirstLine) this.#onStatusLine(line);
        else if (line === '') this.#onHeadEnd();
        else this.#onHeader(line);
        break;
      case State.chunkSize:
        this.#left = Number.parseInt(line, 16);
        if (!(this.#left >= 0)) throw new Error('a chunk without a size');
        this.#state = this.#left === 0 ? State.trailer : State.chunkData;
        break;
      case State.chunkEnd:
        this.#state = State.chunkSize;
        break;
      default:
        if (line !== '') return;
        this.#state = State.body;
        this.#left = 0;
    }
  }

  #onStatusLine(line: string): void {
    const status = Number(line.slice(9, 12));
    if (!line.startsWith('HTTP/1.') || !(status >= 100)) throw new Error('not an HTTP answer');
    this.status = status;
    this.closes = line[7] === '0';
    this.bodyBytes = 0;
    this.retryAfterSeconds = 0;
    this.#isFirstLine = false;
  }

  #onHeader(line: string): void {
    // Most headers are of no interest, which their first letter says.
    const initial = line.charCodeAt(0) | 0x20;
    if (initial !== 0x63 && initial !== 0x74 && initial !== 0x72) return;
    const lower = line.toLowerCase();
    if (lower.startsWith(CONTENT_LENGTH)) {
      this.#hasLength = true;
      this.#left = Number(lower.slice(CONTENT_LENGTH.length));
    } else if (lower.startsWith(TRANSFER_ENCODING)) this.#isChunked = lower.endsWith('chunked');
    else if (lower.startsWith(CONNECTION)) this.closes = lower.endsWith('close');
    else if (lower.startsWith(RETRY_AFTER)) this.retryAfterSeconds = Number(lower.slice(RETRY_AFTER.length));
  }

  #onHeadEnd(): void {
    if (this.status < 200) {
      // 100 Continue: the answer itself follows.
      this.#beginHead();
    } else if (this.#isChunked) this.#state = State.chunkSize;
    else if (this.#hasLength || this.status === 204 || this.status === 304) {
      if (!this.#hasLength) this.#left = 0;
      this.#state = State.body;
    } else this.#state = State.toTheEnd;
  }
}
