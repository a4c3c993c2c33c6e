/**
 * Finds the end of each answer on a connection, and what it says, without keeping its body. Answers either carry a
 * Content-Length or last to the end of the connection. Pure.
 */
const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING: Buffer = Buffer.alloc(0);
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CLOSES = /\r\nconnection: *close/i;
const RETRY_AFTER = /\r\nretry-after: *(\d+)/i;
const CONTINUE = 100;
const TO_THE_END = -1;

export class AnswerParser {
  /** Of the answer whose head came last; 0 before there is one. */
  status = 0;
  /** Bytes of its body so far. */
  bodyBytes = 0;
  /** How long its client is asked to wait before it comes again; 0: it is not. */
  retryAfterSeconds = 0;
  /** The node closes the connection behind it. */
  closes = false;
  #head: Buffer = NOTHING;
  #bodyLeft = 0;
  #inBody = false;

  /** Its body ends with the connection: a clean end there is the end of the answer. */
  get endsWithConnection(): boolean {
    return this.#inBody && this.#bodyLeft === TO_THE_END;
  }

  /** Takes bytes that have come; true when the answer is whole. What follows it belongs to nothing: no request is out. */
  push(bytes: Buffer): boolean {
    let rest = bytes;
    while (!this.#inBody) {
      const received = this.#head.length === 0 ? rest : Buffer.concat([this.#head, rest]);
      const headEnd = received.indexOf(HEAD_END);
      if (headEnd === -1) {
        this.#head = received;
        return false;
      }
      this.#head = NOTHING;
      rest = received.subarray(headEnd + HEAD_END.length);
      const head = received.toString('latin1', 0, headEnd);
      this.status = Number(head.slice(9, 12));
      if (this.status === CONTINUE) continue;
      const length = CONTENT_LENGTH.exec(head);
      this.closes = CLOSES.test(head);
      this.retryAfterSeconds = Number(RETRY_AFTER.exec(head)?.[1] ?? 0);
      this.bodyBytes = 0;
      this.#bodyLeft = length === null ? TO_THE_END : Number(length[1]);
      this.#inBody = true;
    }
    this.bodyBytes += rest.length;
    if (this.#bodyLeft === TO_THE_END) return false;
    this.#bodyLeft -= rest.length;
    if (this.#bodyLeft > 0) return false;
    this.#inBody = false;
    return true;
  }
}
