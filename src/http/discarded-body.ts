/**
 * A body of unknown length where none belongs, as proxies and Java send with GET and DELETE: most are empty. It is read
 * to its end and thrown away before the request is served; one that turns out to be long is refused.
 */
import type { IncomingMessage } from 'node:http';
import { type BodyReader, HttpConnection } from './connection.ts';
import { MAX_DISCARDED_BODY_BYTES } from './early-answer.ts';

interface DiscardingOwner {
  onDiscarded(): void;
  onRefused(status: number, sentence: string): void;
}

export class DiscardedBody implements BodyReader {
  readonly #request: IncomingMessage;
  readonly #owner: DiscardingOwner;
  #bytes = 0;
  #isOver = false;

  constructor(request: IncomingMessage, owner: DiscardingOwner) {
    this.#request = request;
    this.#owner = owner;
    HttpConnection.of(request.socket).bodyReader = this;
    request.on('data', this.#onData);
    request.on('end', () => {
      if (!this.#end() || !request.complete) return;
      this.#owner.onDiscarded();
    });
    // Nobody is there to be answered.
    request.on('error', () => this.#end());
  }

  onBrokenBody(status: number, sentence: string): boolean {
    if (!this.#end()) return false;
    this.#owner.onRefused(status, sentence);
    return true;
  }

  readonly #onData = (piece: Buffer): void => {
    this.#bytes += piece.length;
    if (this.#bytes <= MAX_DISCARDED_BODY_BYTES || !this.#end()) return;
    const sentence = `The request has a body, which ${this.#request.method} does not take here: send none.`;
    this.#owner.onRefused(413, sentence);
  };

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#request.off('data', this.#onData);
    return true;
  }
}
