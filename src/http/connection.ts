/** What is known of one HTTP connection, kept on its socket: what came last on it, and where it broke. */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ClientConnection } from '../admission/client-connection.ts';

const CONNECTION = Symbol('connection');

/** Reads the body of a request. */
export interface BodyReader {
  /**
   * The rest of the body cannot come: it is not HTTP, or it took too long.
   * @returns whether it sees to the answer and the connection's end; false: its request has an answer
   */
  onBrokenBody(status: number, sentence: string): boolean;
}

export class HttpConnection extends ClientConnection {
  /** The response to the last request that came. */
  latestResponse: ServerResponse | null = null;
  /** Reads the body of the last request, if it has one that is being read. */
  bodyReader: BodyReader | null = null;
  /** The client has been told that no further request is served: what comes behind must not be. */
  isClosing = false;
  /** What comes cannot be read as requests any more. */
  isBroken = false;

  static of(socket: Duplex & { [CONNECTION]?: HttpConnection }): HttpConnection {
    let connection = socket[CONNECTION];
    if (connection === undefined) {
      const created = new HttpConnection(socket);
      connection = created;
      socket[CONNECTION] = connection;
      // An answer behind others has no socket yet, and does not hear that there will be none.
      socket.once('close', () => created.close());
    }
    return connection;
  }
}
