import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RingTraffic } from '../../../../native-free-lsm/store/ring-traffic.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

class CountingEnd {
  queued = 0;
  published = 0;
  drained = 0;

  publish(): boolean {
    const isAnything = this.queued > 0;
    this.published += this.queued;
    this.queued = 0;
    return isAnything;
  }
  drain(): void {
    this.drained++;
  }
}

function traffic() {
  const clock = new FakeClock();
  const counts = { published: 0, drained: 0 };
  const all = new RingTraffic(clock, {
    onPublished: () => void counts.published++,
    onDrained: () => void counts.drained++,
  });
  return { clock, counts, all };
}

test('what a turn has queued goes over at its end, once, in all rings', () => {
  const { all, clock, counts } = traffic();
  const ends = [new CountingEnd(), new CountingEnd()];
  for (const end of ends) all.add(end);
  for (const end of [...ends, ...ends]) {
    end.queued++;
    all.publishSoon();
  }
  assert.deepEqual([ends[0].published, ends[1].published, counts.published], [0, 0, 0]);
  clock.flush();
  assert.deepEqual([ends[0].published, ends[1].published, counts.published], [2, 2, 1]);
  ends[1].queued++;
  all.publishSoon();
  clock.flush();
  assert.deepEqual([ends[0].published, ends[1].published, counts.published], [2, 3, 2]);
});

test('threads are not told of a turn in which nothing was queued', () => {
  const { all, clock, counts } = traffic();
  all.add(new CountingEnd());
  all.publishSoon();
  clock.flush();
  all.publish();
  assert.equal(counts.published, 0);
});

test('answers are handed out before what they let go of is collected, also while there is no ring yet', () => {
  const { all, counts } = traffic();
  all.drain();
  assert.equal(counts.drained, 1);
  const end = new CountingEnd();
  all.add(end);
  all.drain();
  assert.deepEqual([end.drained, counts.drained], [1, 2]);
});
