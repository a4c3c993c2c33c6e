/**
 * Requests that offer to go over to another protocol, as Java and curl do with HTTP/2: the offer is not taken, and the
 * request is served. The parser of node:http takes all that lies behind such a request for the other protocol and drops
 * what of it came in the same packet. So a request without a body is put back in front of the parser without its offer,
 * followed by what came behind it. A request with a body cannot be put back: its connection ends after its answer.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HttpConnection } from './connection.ts';

const OFFER = 'upgrade';

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0);
}

/**
 * Sees to it that such a request with a body that is cut, or is none, does not wait for its rest for good: its parser
 * takes what it cannot read for the other protocol, and tells nobody.
 */
export function watchOfferedBody(request: IncomingMessage): void {
  request.socket.once('end', () => {
    if (request.complete) return;
    HttpConnection.of(request.socket).bodyReader?.onBrokenBody(
      400,
      'The body ends before its time, or is none.',
    );
  });
}

/** Listens to `upgrade`, after which node:http has nothing to do with the socket any more. */
export function declineUpgrade(
  server: Server,
  request: IncomingMessage,
  socket: Duplex,
  behind: Buffer,
): void {
  whenAnswered(socket, () => {
    socket.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), behind]));
    server.emit('connection', socket);
  });
}

/** Goes on when every earlier request has its answer, unless the client has gone or was told that it gets no more. */
export function whenAnswered(socket: Duplex, goOn: () => void): void {
  const connection = HttpConnection.of(socket);
  const { latestResponse } = connection;
  const destroy = (): void => void socket.destroy();
  const proceed = (): void => {
    socket.off('error', destroy);
    if (socket.writable && !connection.isClosing) goOn();
    else if (!connection.isClosing) socket.destroy();
  };
  socket.on('error', destroy);
  if (latestResponse === null || latestResponse.closed) proceed();
  else latestResponse.once('close', proceed);
}

function withoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].toLowerCase() !== OFFER) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  }
  return `${text}\r\n`;
}
