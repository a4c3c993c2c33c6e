import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Beginner,
  ClientConnection,
  FIRST_REQUESTS_IN_WORK,
  MAX_REQUESTS_IN_WORK,
  MAX_UNREAD_BYTES,
} from '../../../../src/admission/client-connection.ts';

class Parts {
  readonly begun: number[] = [];
  readonly dropped: number[] = [];
  isPaused = false;
  readonly connection = new ClientConnection({
    pause: () => {
      this.isPaused = true;
    },
    resume: () => {
      this.isPaused = false;
    },
  });
  #asked = 0;

  ask(count: number, onBegin: () => void = () => {}): void {
    for (let i = 0; i < count; i++) {
      const number = ++this.#asked;
      const request: Beginner = {
        begin: () => {
          this.begun.push(number);
          onBegin();
        },
        drop: () => this.dropped.push(number),
      };
      this.connection.begin(request);
    }
  }
}

test('few requests are begun at first, one more for each that is answered, and the stream stands still meanwhile', () => {
  const parts = new Parts();
  parts.ask(100);
  assert.deepEqual(parts.begun, [1, 2, 3, 4]);
  assert.equal(FIRST_REQUESTS_IN_WORK, 4);
  assert.ok(parts.isPaused);
  for (let answered = 1; answered <= 30; answered++) {
    parts.connection.end(0);
    const inWork = Math.min(FIRST_REQUESTS_IN_WORK + answered, MAX_REQUESTS_IN_WORK);
    assert.equal(parts.begun.length, answered + inWork);
  }
  while (parts.begun.length < 100) parts.connection.end(0);
  assert.ok(!parts.isPaused);
  assert.deepEqual(
    parts.begun,
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
});

test('what is answered while it is begun lets the next begin after it, not within it', () => {
  const parts = new Parts();
  parts.ask(FIRST_REQUESTS_IN_WORK);
  let depth = 0;
  let deepest = 0;
  parts.ask(1000, () => {
    deepest = Math.max(deepest, ++depth);
    parts.connection.end(0);
    depth--;
  });
  for (let i = 0; i < FIRST_REQUESTS_IN_WORK; i++) parts.connection.end(0);
  assert.equal(parts.begun.length, 1000 + FIRST_REQUESTS_IN_WORK);
  assert.equal(deepest, 1);
});

test('answers that are unread, or will be, keep others from being begun until they are gone', () => {
  const parts = new Parts();
  let gone = 0;
  const answer = { unreadBytes: MAX_UNREAD_BYTES, onGone: () => gone++ };
  parts.ask(1);
  parts.connection.holdUnread(answer);
  parts.connection.end(MAX_UNREAD_BYTES);
  parts.ask(3);
  assert.deepEqual(parts.begun, [1]);
  parts.connection.letGo(answer);
  parts.connection.letGo(answer);
  assert.equal(gone, 1);
  // The next is expected to be as large, so it is begun alone.
  assert.deepEqual(parts.begun, [1, 2]);
  parts.connection.end(0);
  assert.deepEqual(parts.begun, [1, 2, 3]);
});

test('a client that is gone takes along what waits and what it has not read', () => {
  const parts = new Parts();
  const gone: string[] = [];
  parts.ask(6);
  for (const name of ['a', 'b']) {
    parts.connection.holdUnread({ unreadBytes: 10, onGone: () => gone.push(name) });
  }
  parts.connection.close();
  assert.deepEqual(
    [parts.dropped, gone],
    [
      [5, 6],
      ['a', 'b'],
    ],
  );
  parts.connection.close();
  assert.equal(gone.length, 2);
});
