/**
 * Requests no client should send, from a seed: for servers that must outlive them. Each is what goes over one
 * connection, which the sender then ends.
 */
import type { Random } from '../../src/clock.ts';

const METHODS = [
  'GET',
  'PUT',
  'DELETE',
  'POST',
  'get',
  'P\0T',
  '',
  'PATCH',
  'G'.repeat(5000),
  'CONNECT',
  'TRACE',
];
const TARGETS = [
  '/v0/entity',
  '/v0/entity?id=',
  '/v0/entity?id=%',
  '/v0/entity?id=%zz',
  '/v0/entity?id=%ff%fe',
  '/v0/entity?id=a&id=b',
  '/v0/entity?id=a&ack=-1',
  '/v0/entity?id=a&ack=99999999999999999999',
  '/v0/entity?id=a&from=0x3',
  '/v0/entity?id=\u00ff\u00fe',
  '/v0/entities?start=%',
  '/v0/entities?end=a',
  '/v0/../../etc/passwd',
  '//',
  '*',
  'http://[::1/v0/entity?id=a',
  'not a target at all',
];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/9.9', 'HTTP', '', 'HTP/1.1'];
const HEADERS = [
  'Content-Length: -1',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 99999999999999999999',
  'Content-Length: abc',
  'Transfer-Encoding: chunked\r\nContent-Length: 3',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked',
  'Expect: 200-maybe',
  'Host: a\r\nHost: b',
  'No colon here',
  ': empty name',
  'X-Nul: a\0b',
  'Upgrade: websocket\r\nConnection: upgrade',
];
const BODIES = [
  '',
  'hello',
  'zz\r\nhello\r\n',
  '5\r\nhel',
  'ffffffffffffffff\r\n',
  '\r\n\r\n',
  '\0\0\0\0',
  '5;x=y\r\nhello\r\n0\r\n',
];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)];
}

function noise(random: Random, maxBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.floor(random() * maxBytes) + 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  return bytes;
}

export function malformedHttp(random: Random): Buffer {
  const kind = random();
  if (kind < 0.1) return noise(random, 400);
  const target = random() < 0.05 ? `/v0/entity?id=${'k'.repeat(random() * 70_000)}` : pick(random, TARGETS);
  const line = `${pick(random, METHODS)} ${target} ${pick(random, VERSIONS)}`;
  const headers = Array.from({ length: Math.floor(random() * 4) }, () => pick(random, HEADERS));
  if (random() < 0.02) headers.push(`X-Big: ${'h'.repeat(100_000)}`);
  const text = `${[line, 'Host: x', ...headers].join('\r\n')}\r\n\r\n${pick(random, BODIES)}`;
  const whole = Buffer.from(text.repeat(random() < 0.1 ? 3 : 1), 'latin1');
  return random() < 0.2 ? whole.subarray(0, Math.floor(random() * whole.length) + 1) : whole;
}

/** Frames for the port on which nodes talk to each other: a length and what should be msgpack. */
export function malformedRpc(random: Random): Buffer {
  const kind = random();
  if (kind < 0.2) return noise(random, 200);
  const body = kind < 0.6 ? noise(random, 120) : almostMessage(random);
  const length = Buffer.alloc(4);
  const claimed = random();
  if (claimed < 0.1) length.writeUInt32BE(0xffff_ffff);
  else if (claimed < 0.2) length.writeUInt32BE(0);
  else length.writeUInt32BE(body.length + (claimed < 0.3 ? 7 : 0));
  return Buffer.concat([length, body]);
}

/** A short msgpack array of small numbers, strings, nulls and binaries: right in form, wrong in meaning. */
function almostMessage(random: Random): Buffer {
  const count = Math.floor(random() * 12);
  const parts = [Buffer.from([0x90 | count])];
  for (let i = 0; i < count; i++) {
    const kind = random();
    if (kind < 0.4) parts.push(Buffer.from([Math.floor(random() * 128)]));
    else if (kind < 0.6) parts.push(Buffer.from([0xa3, 0x61, 0x62, 0x63]));
    else if (kind < 0.7) parts.push(Buffer.from([0xc0]));
    else if (kind < 0.9) parts.push(Buffer.from([0xc4, 0x02, 0x01, 0x02]));
    else parts.push(Buffer.from([0xcf, 255, 255, 255, 255, 255, 255, 255, 255]));
  }
  return Buffer.concat(parts);
}
