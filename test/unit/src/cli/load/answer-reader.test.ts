import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerReader } from '../../../../../src/cli/load/answer-reader.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly closes?: boolean;
  readonly retryAfterSeconds?: number;
}

const CASES: readonly Case[] = [
  {
    name: 'a body by its length',
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    status: 200,
    bodyBytes: 5,
  },
  {
    name: 'an empty body',
    text: 'HTTP/1.1 201 Created\r\nX: y\r\ncontent-length: 0\r\n\r\n',
    status: 201,
    bodyBytes: 0,
  },
  { name: 'no body', text: 'HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n', status: 204, bodyBytes: 0 },
  {
    name: 'chunks',
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n',
    status: 200,
    bodyBytes: 15,
  },
  {
    name: 'chunks with an extension and a trailer',
    text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n',
    status: 200,
    bodyBytes: 3,
  },
  {
    name: 'an answer behind 100 Continue',
    text: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno',
    status: 503,
    bodyBytes: 2,
    closes: true,
    retryAfterSeconds: 2,
  },
];

for (const { bodyBytes, closes = false, name, retryAfterSeconds = 0, status, text } of CASES) {
  test(`the end is found of ${name}, however its bytes are cut`, () => {
    const bytes = Buffer.from(text);
    for (let first = 1; first < bytes.length; first++) {
      for (let second = first; second < bytes.length; second += 3) {
        const reader = new AnswerReader();
        assert.equal(reader.push(bytes, 0, first), false);
        assert.equal(reader.push(bytes, first, second), false);
        assert.equal(reader.push(bytes, second, bytes.length), true, `cut at ${first} and ${second}`);
        assert.deepEqual(
          [reader.status, reader.bodyBytes, reader.closes, reader.retryAfterSeconds],
          [status, bodyBytes, closes, retryAfterSeconds],
        );
      }
    }
  });
}

test('one answer after the other is read', () => {
  const reader = new AnswerReader();
  for (const { closes = false, status, text } of [...CASES, ...CASES]) {
    const bytes = Buffer.from(`..${text}..`);
    assert.equal(reader.push(bytes, 2, bytes.length - 2), true);
    assert.deepEqual([reader.status, reader.closes], [status, closes]);
  }
});

test('an answer without a length ends with its connection', () => {
  const reader = new AnswerReader();
  const bytes = Buffer.from('HTTP/1.0 200 OK\r\n\r\nabc');
  assert.equal(reader.push(bytes, 0, bytes.length), false);
  assert.deepEqual([reader.endsWithConnection, reader.closes, reader.bodyBytes], [true, true, 3]);
});

test('what is no answer is refused', () => {
  const wrong = [
    'SSH-2.0-OpenSSH\r\n',
    'HTTP/1.1 abc\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab',
    `HTTP/1.1 200 ${'x'.repeat(20_000)}`,
  ];
  for (const text of wrong) {
    const bytes = Buffer.from(text);
    assert.throws(() => new AnswerReader().push(bytes, 0, bytes.length), text.slice(0, 40));
  }
});
