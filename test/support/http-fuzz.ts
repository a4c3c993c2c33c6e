/**
 * Requests that are wrong in every way in which a client, a proxy or an attacker can make them wrong, and some that are
 * only unusual. The same seed gives the same requests; each is all the bytes of one connection. Every key starts with
 * `fuzz`, unless the key is what was damaged.
 */
import { type Random, seededRandom } from '../../src/clock.ts';

type Kind = (random: Random) => Buffer;

const HOST = 'Host: fuzz.test';
const VALUE = 'value';

export function* malformedHttpRequests(seed: number, count: number): Generator<Buffer> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) yield pick(random, KINDS)(random);
}

/** Cuts bytes into up to `most` pieces, as a network may. */
export function cutAtRandom(bytes: Buffer, random: Random, most: number): Buffer[] {
  const cuts = Array.from({ length: below(random, most) }, () => below(random, bytes.length + 1));
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  return ends
    .map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
    .filter((piece) => piece.length > 0);
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)];
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}

function message(startLine: string, headers: readonly string[], body = ''): Buffer {
  return Buffer.from(`${[startLine, ...headers].join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

function target(random: Random): string {
  return `/v0/entity?id=fuzz${below(random, 1000)}`;
}

/** A correct request, to be damaged. */
function sound(random: Random): Buffer {
  const to = target(random);
  switch (below(random, 5)) {
    case 0:
      return message(`GET ${to}&ack=1&from=1 HTTP/1.1`, [HOST]);
    case 1:
      return message(`DELETE ${to} HTTP/1.1`, [HOST]);
    case 2:
      return message('GET /v0/entities?start=fuzz&end=fuzz3 HTTP/1.1', [HOST]);
    case 3:
      return message(`PUT ${to} HTTP/1.1`, [HOST, `Content-Length: ${VALUE.length}`], VALUE);
    default:
      return message(
        `PUT ${to} HTTP/1.1`,
        [HOST, 'Transfer-Encoding: chunked'],
        `5\r\n${VALUE}\r\n0\r\n\r\n`,
      );
  }
}

const startLine: Kind = (random) => {
  const methods = [
    'get',
    'G ET',
    '',
    'BREW',
    'PUT\0',
    'M'.repeat(300),
    'HEAD',
    'OPTIONS',
    'CONNECT',
    'PRI',
    '{}',
    ' GET',
  ];
  const versions = [
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/1.12',
    'http/1.1',
    'HTTP/',
    '',
    'ICE/1.0',
  ];
  const targets = [
    target(random),
    '',
    '*',
    '/',
    '//',
    '?',
    'fuzz.test:80',
    'http://',
    'http://h?id=fuzz',
    '/v0/entity\t?',
  ];
  return message(`${pick(random, methods)} ${pick(random, targets)} ${pick(random, versions)}`, [HOST]);
};

const query: Kind = (random) => {
  const faults = [
    '%',
    '%4',
    '%zz',
    '%c3',
    '%ff%fe',
    '%ed%a0%80',
    '%00',
    '#',
    '&id=fuzz',
    '&ack=',
    '&ack=0',
    '&ack=1e3',
  ];
  faults.push(
    '&ack=-1',
    '&from=99999999999',
    '&ack=2&from=1',
    '&ack=1&ack=1',
    '&&&=&',
    '&%',
    'é',
    '\x7f',
    '"<>\\^`{|}',
  );
  const path = pick(random, [
    '/v0/entity?id=fuzz',
    '/v0/entities?start=fuzz',
    '/v0/entities?start=a&end=fuzz',
    '/v0/status?',
  ]);
  return message(`${pick(random, ['GET', 'DELETE', 'PUT'])} ${path}${pick(random, faults)} HTTP/1.1`, [HOST]);
};

const tooLarge: Kind = (random) => {
  const size = pick(random, [4097, 9000, 33_000, 100_000]);
  switch (below(random, 4)) {
    case 0:
      return message(`GET /v0/entity?id=${'fuzz'.repeat(size / 4)} HTTP/1.1`, [HOST]);
    case 1:
      return message(`GET ${target(random)} HTTP/1.1`, [HOST, `X-Large: ${'x'.repeat(size)}`]);
    case 2:
      return message(`GET ${target(random)} HTTP/1.1`, [
        HOST,
        ...Array.from({ length: size / 10 }, (_, i) => `X${i}: y`),
      ]);
    default:
      return message(`GET ${target(random)} HTTP/1.1`, [HOST, `${'N'.repeat(size)}: x`]);
  }
};

const headers: Kind = (random) => {
  const odd = [
    'No colon',
    ': no name',
    'Space : x',
    ' folded',
    '\tfolded',
    'Nul: a\0b',
    'Bell: \x07',
    'Host: again',
    'X: é',
  ];
  odd.push(
    'Connection: close, keep-alive',
    'Connection: upgrade\r\nUpgrade: websocket',
    'Expect: 100-continue',
  );
  odd.push(
    'Expect: nothing',
    'Content-Length: x',
    'Accept: application/x-msgpack',
    'X:',
    'X: \r y',
    'X: \n',
    'TE: trailers',
  );
  const some = Array.from({ length: 1 + below(random, 3) }, () => pick(random, odd));
  return message(
    `${pick(random, ['GET', 'PUT', 'DELETE'])} ${target(random)} HTTP/1.1`,
    random() < 0.2 ? some : [HOST, ...some],
  );
};

const framing: Kind = (random) => {
  const length = (value: string): string => `Content-Length: ${value}`;
  const choices = [
    '-1',
    '+5',
    '0x5',
    '5, 5',
    '5 5',
    '',
    '4',
    '6',
    '99999999',
    '18446744073709551616',
    '5\t',
    '05',
  ].map(length);
  choices.push('Content-Length: 5\r\nContent-Length: 6', 'Content-Length: 5\r\nTransfer-Encoding: chunked');
  choices.push('Transfer-Encoding: chunked\r\nContent-Length: 5', 'Transfer-Encoding: chunked, chunked');
  choices.push('Transfer-Encoding: gzip', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity');
  choices.push(
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding: chunked, identity',
  );
  const method = pick(random, ['PUT', 'PUT', 'GET', 'DELETE', 'POST']);
  return message(`${method} ${target(random)} HTTP/1.1`, [HOST, pick(random, choices)], VALUE);
};

const chunks: Kind = (random) => {
  const bodies = [
    '5\r\nvalue\r\n',
    '5\nvalue\n0\n\n',
    'g\r\nvalue\r\n',
    '-5\r\nvalue\r\n',
    '5\r\nvaluemore\r\n0\r\n\r\n',
  ];
  bodies.push(
    '6\r\nvalue\r\n0\r\n\r\n',
    'ffffffffffffffff1\r\nx',
    '7fffffff\r\nx',
    '0\r\n',
    '\r\n',
    '0x5\r\nvalue\r\n0\r\n\r\n',
  );
  bodies.push(
    `5;${'e'.repeat(20_000)}\r\nvalue\r\n0\r\n\r\n`,
    '5 ;a="\r\nvalue\r\n0\r\n\r\n',
    '0\r\nBad trailer\r\n\r\n',
  );
  bodies.push('1\r\nx\r\n'.repeat(below(random, 500)), `0\r\nT: ${'t'.repeat(40_000)}\r\n\r\n`);
  const body = pick(random, bodies);
  return message(`PUT ${target(random)} HTTP/1.1`, [HOST, 'Transfer-Encoding: chunked'], body);
};

const truncated: Kind = (random) => {
  const whole = sound(random);
  return whole.subarray(0, below(random, whole.length));
};

const mutated: Kind = (random) => {
  let bytes = Buffer.from(sound(random));
  for (let i = below(random, 8); i >= 0; i--) {
    const at = below(random, bytes.length);
    const action = below(random, 4);
    if (action === 0) bytes[at] = below(random, 256);
    else if (action === 1) bytes[at] = pick(random, [0, 10, 13, 32, 37, 58]);
    else if (action === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), randomBytes(random, 3), bytes.subarray(at)]);
    if (bytes.length === 0) break;
  }
  return bytes;
};

const pipelined: Kind = (random) => {
  const parts = Array.from({ length: 2 + below(random, 20) }, () =>
    random() < 0.8 ? sound(random) : pick(random, [garbage, mutated, framing, chunks, query])(random),
  );
  return Buffer.concat(parts);
};

const garbage: Kind = (random) => {
  const prefaces = [
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
    '\r\n\r\n\r\n',
    '\n',
    '\0\0\0\0',
  ];
  if (random() < 0.4) return Buffer.from(pick(random, prefaces), 'latin1');
  return randomBytes(random, 1 + below(random, 300));
};

/** The page that sent it, and the host name it was sent to: most of them are not this node's. */
const strangers: Kind = (random) => {
  const hosts = [
    HOST,
    'Host: evil.test',
    'Host:',
    'Host: [::1',
    'Host: fuzz.test:x',
    'Host: FUZZ.TEST.:1',
    'hOST: fuzz.test',
  ];
  const origins = [
    'http://fuzz.test',
    'http://evil.test',
    'null',
    '',
    'https://fuzz.test',
    'http://fuzz.test/',
  ];
  const to = pick(random, [
    '',
    'http://fuzz.test',
    'http://evil.test',
    'http://fuzz.test@evil.test',
    'https://',
  ]);
  const lines = [pick(random, hosts)];
  if (random() < 0.2) lines.push(pick(random, hosts));
  if (random() < 0.5) lines.push(`Origin: ${pick(random, origins)}`);
  return message(
    `${pick(random, ['GET', 'PUT', 'DELETE'])} ${to}${target(random)} HTTP/1.${below(random, 2)}`,
    lines,
  );
};

/** Bodies where none belongs, offers of other protocols, and bytes behind them. */
const detours: Kind = (random) => {
  const bodies = [
    '0\r\n\r\n',
    '5\r\nvalue\r\n0\r\n\r\n',
    '0\r\nT: 1\r\n\r\n',
    '0;e=1\r\n\r\n',
    '5\r\nval',
    '',
  ];
  const method = pick(random, ['GET', 'DELETE', 'PUT', 'HEAD', 'CONNECT', 'POST']);
  const lines = [HOST];
  if (random() < 0.5) lines.push('Connection: Upgrade', `Upgrade: ${pick(random, ['h2c', 'websocket', ''])}`);
  const isChunked = random() < 0.5;
  if (isChunked) lines.push('Transfer-Encoding: chunked');
  if (random() < 0.2) lines.push('Expect: 100-continue');
  const first = message(
    `${method} ${target(random)} HTTP/1.${random() < 0.8 ? 1 : 0}`,
    lines,
    isChunked ? pick(random, bodies) : '',
  );
  return Buffer.concat([first, ...Array.from({ length: below(random, 4) }, () => sound(random))]);
};

/** Options of the query and conditions, of which most cannot be read; some are conditions alone. */
const options: Kind = (random) => {
  const said = ['consistency', 'repair', 'ttl', 'explain', 'ack', 'from', 'TTL'];
  const words = [
    'linearizable',
    'default',
    'write-back',
    'async',
    '90s',
    '0',
    '1',
    '-1',
    '9'.repeat(30),
    '1e9d',
    '%00',
    '',
  ];
  const tag = `"${'0'.repeat(14)}-${'f'.repeat(8)}"`;
  const tags = [
    tag,
    `W/${tag}`,
    '*',
    '"',
    '""',
    `${tag}, *`,
    ',,,',
    `${tag},`.repeat(200),
    'W/',
    "'x'",
    '\x80',
    tag.slice(1),
  ];
  const query = Array.from(
    { length: below(random, 4) },
    () => `&${pick(random, said)}=${pick(random, words)}`,
  );
  const lines = [HOST];
  if (random() < 0.6) lines.push(`If-Match: ${pick(random, tags)}`);
  if (random() < 0.6) lines.push(`If-None-Match: ${pick(random, tags)}`);
  if (random() < 0.2) lines.push('Expect: 100-continue');
  const method = pick(random, ['GET', 'PUT', 'DELETE']);
  if (method === 'PUT') lines.push(`Content-Length: ${VALUE.length}`);
  return message(
    `${method} ${target(random)}${query.join('')} HTTP/1.1`,
    lines,
    method === 'PUT' ? VALUE : '',
  );
};

const lineEndings: Kind = (random) => {
  const text = sound(random).toString('latin1');
  return Buffer.from(
    text.replaceAll('\r\n', pick(random, ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n'])),
    'latin1',
  );
};

const KINDS: readonly Kind[] = [
  startLine,
  query,
  tooLarge,
  headers,
  framing,
  chunks,
  truncated,
  mutated,
  pipelined,
  garbage,
  lineEndings,
  strangers,
  detours,
  options,
];
