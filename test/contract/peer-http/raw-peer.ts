/** Requests to the port for peers' HTTP, written by hand. */
import assert from 'node:assert/strict';
import { authorizationOf } from '../../../src/peer-http/connection-proof.ts';
import { SESSION_TARGET, targetOf } from '../../../src/peer-http/wire.ts';
import { RawClient } from '../http/raw-client.ts';
import type { HttpPair } from './harness.ts';

export const TARGET = targetOf(Buffer.from('key'));

export function request(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export function claim(authorization: string): string {
  return request('POST', SESSION_TARGET, { Authorization: authorization, 'Content-Length': '0' });
}

/** A connection of a peer that has proved itself. */
export async function connectAsPeer(pair: HttpPair, number: number): Promise<RawClient> {
  const client = await RawClient.connect(pair.port);
  assert.equal((await client.send(claim(authorizationOf(pair.key, number))).answer()).status, 204);
  return client;
}
