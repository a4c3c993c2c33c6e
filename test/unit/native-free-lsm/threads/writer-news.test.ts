/** What the writer tells main between its answers leaves these their room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corruption } from '../../../../native-free-lsm/errors.ts';
import { frameTag } from '../../../../native-free-lsm/format/frame.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';
import { WriterAnswerKind } from '../../../../native-free-lsm/threads/protocol/writer-messages.ts';
import { WriterNews } from '../../../../native-free-lsm/threads/writer-news.ts';

test('of damage there is one message in the ring at most, and each place is told once in a row', () => {
  const ring = createRing(64 * 1024);
  const responses = new RingProducer(ring);
  const main = new RingConsumer(ring);
  const news = new WriterNews(responses);
  const [first, second] = ['/db/1.sst', '/db/2.sst'].map((path) => corruption(path, 7, 'it is damaged'));
  const told = (): number => {
    responses.publish();
    if (!main.nextRun(1 << 20)) return 0;
    assert.equal(frameTag(main.bytes, main.runStart), WriterAnswerKind.damaged);
    const { runFrames } = main;
    main.release();
    return runFrames;
  };
  for (let i = 0; i < 1000; i++) {
    news.damaged(first);
    news.damaged(second);
  }
  assert.equal(told(), 1);
  news.damaged(first);
  assert.equal(told(), 0, 'main knows it');
  news.damaged(second);
  assert.equal(told(), 1);
  news.damaged(first);
  assert.equal(told(), 1);
});
