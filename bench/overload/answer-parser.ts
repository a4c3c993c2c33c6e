/**
 * Finds the end of each answer on a connection and reads its head, without keeping its body. Answers either have a
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
  /** The status of the last answer whose head has arrived; 0 before there is one. */
  status = 0;
  /** How many bytes of its body have arrived. */
  bodyBytes = 0;
  /** How long the client is asked to wait before its next request; 0: it is not asked to. */
  retryAfterSeconds = 0;
  /** Whether the node closes the connection after it. */
  closes = false;
  #head: Buffer = NOTHING;
  #bodyLeft = 0;
  #inBody = false;

  /** Whether the body ends with the connection, so that a clean end is the end of the answer. */
  get endsWithConnection(): boolean {
    return this.#inBody && this.#bodyLeft === TO_THE_END;
  }

  /** Takes received bytes; returns true when the answer is complete. Bytes that follow belong to no request. */
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
