/**
 * What is done about bytes that are no request: an answer that says so, after the answers that are owed already, and
 * then the end of the connection.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import { whenAnswered } from './upgrade.ts';

const LINGER_MS = 1000;

interface Fault {
  readonly status: number;
  readonly sentence: string;
}

/** Listens to `clientError`, which is emitted for every error of a socket or of the parser that reads it. */
export function onClientError(context: HttpContext, error: NodeJS.ErrnoException, socket: Duplex): void {
  const fault = faultOf(error);
  if (fault === null || !socket.writable) {
    socket.destroy();
    return;
  }
  const connection = HttpConnection.of(socket);
  if (connection.isBroken) {
    // More of what cannot be read comes in; it is thrown away until the client has its answer or has gone.
    if (socket.readableEnded) socket.destroy();
    return;
  }
  connection.isBroken = true;
  const { bodyReader, latestResponse } = connection;
  if (bodyReader !== null && latestResponse?.req.complete === false) {
    if (bodyReader.onBrokenBody(fault.status, fault.sentence)) return;
    // Its request has an answer, or will when those before it have theirs: nothing more is said.
    endBehind(latestResponse, socket, () => endSoon(context, socket));
  } else {
    endBehind(latestResponse, socket, () => endWith(context, socket, fault));
  }
}

function endBehind(latestResponse: ServerResponse | null, socket: Duplex, end: () => void): void {
  if (latestResponse === null || latestResponse.closed) {
    end();
  } else {
    // Nothing more is read meanwhile.
    socket.pause();
    latestResponse.once('close', end);
  }
}

/** CONNECT asks for a tunnel, and gets the bare socket from node:http. */
export function onConnect(context: HttpContext, socket: Duplex): void {
  const sentence = 'The method CONNECT is not for this server, which tunnels nothing.';
  whenAnswered(socket, () => {
    socket.on('error', () => socket.destroy());
    endWith(context, socket, { status: 405, sentence }, 'Allow: GET, PUT, DELETE\r\n');
  });
}

/** Closing at once would reset the connection if anything is unread, and the reset might overtake the answer. */
function endWith(context: HttpContext, socket: Duplex, fault: Fault, extraHeader = ''): void {
  if (!socket.writable) return;
  const body = `${fault.sentence}\n`;
  socket.end(
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status]}\r\n${extraHeader}` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  discardUntilGone(context, socket);
}

function endSoon(context: HttpContext, socket: Duplex): void {
  if (socket.writable) socket.end();
  discardUntilGone(context, socket);
}

function discardUntilGone(context: HttpContext, socket: Duplex): void {
  if (socket.destroyed) return;
  socket.resume();
  const timer = context.clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
}

/** Null for an error of the socket itself, on which nobody can be answered. */
function faultOf(error: NodeJS.ErrnoException): Fault | null {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, sentence: 'The headers are too long.' };
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, sentence: 'The chunk extensions are too long.' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, sentence: 'The request took too long to arrive.' };
    default:
      if (error.code?.startsWith('HPE_') !== true) return null;
      return {
        status: 400,
        sentence: `This is not HTTP/1.1: ${error.message.replace(/^Parse Error: /, '')}.`,
      };
  }
}
