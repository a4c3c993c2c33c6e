/**
 * What a scan is held against: node:http alone, which sends the bytes of a file as the body of an answer. They are
 * encoded as chunks already and go out in large pieces, the next when the one before has left for the kernel.
 *
 *   node stream-server.ts FILE
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const PIECE_BYTES = 128 * 1024;
const body = readFileSync(process.argv[2]);

const server = createServer((_request, response) => {
  response.writeHead(200, ['Content-Type', 'application/octet-stream', 'Transfer-Encoding', 'chunked']);
  response.chunkedEncoding = false;
  send(response, 0);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());

function send(response: ServerResponse, start: number): void {
  const end = start + PIECE_BYTES;
  if (end >= body.length) response.end(body.subarray(start));
  else response.write(body.subarray(start, end), () => send(response, end));
}
