/** What is known of one client connection, kept on its socket: how much it asked for, and where it broke. */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Beyond it a pipelining client gets 503: one client must not take every place there is. */
export const MAX_PIPELINED_REQUESTS = 128;

const CONNECTION = Symbol('connection');

/** Whoever reads the body of a request. */
export interface BodyReader {
  /** The rest of the body cannot come: it is not HTTP, or it took too long. */
  onBrokenBody(status: number, sentence: string): void;
}

export class Connection {
  /** Requests taken on whose answers are still owed by the node. */
  unanswered = 0;
  /** Of the last request that came. */
  latestResponse: ServerResponse | null = null;
  /** Of the last request, if it has a body that somebody reads. */
  bodyReader: BodyReader | null = null;
  /** The client has been told that no further request is served: what comes behind must not be. */
  isClosing = false;
  /** What comes cannot be read as requests any more. */
  isBroken = false;

  static of(socket: Duplex & { [CONNECTION]?: Connection }): Connection {
    let connection = socket[CONNECTION];
    if (connection === undefined) {
      connection = new Connection();
      socket[CONNECTION] = connection;
    }
    return connection;
  }
}
