import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { writeUint32 } from '../../../native-free-lsm/format/integers.ts';
import { EpochDomain } from '../../../native-free-lsm/shared/epochs.ts';
import { createRing, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { END_COMMAND, type EpochThreadData, fillRoom, ROOM_WORDS, ROOMS } from './epoch-rooms.ts';
import { randomFrom, STRESS, startThread } from './thread.ts';

const THREADS = 3;

class Channel {
  readonly producer: RingProducer;
  readonly worker: Worker;
  readonly looks: Promise<number>;
  /** What its thread has thrown. */
  fault: Error | undefined;

  constructor(t: TestContext, rooms: SharedArrayBuffer) {
    const requests = createRing(4096);
    this.producer = new RingProducer(requests);
    const data = { rooms, requests } satisfies EpochThreadData;
    const { worker, result } = startThread<number>(t, './epoch-thread.ts', data);
    worker.on('error', (error) => {
      this.fault = error as Error;
    });
    this.worker = worker;
    this.looks = result;
    // A thread that is killed ends without a word.
    this.looks.catch(() => undefined);
  }

  send(room: number, tenant: number): boolean {
    const at = this.producer.reserve(8);
    if (at < 0) return false;
    writeUint32(this.producer.bytes, at, room);
    writeUint32(this.producer.bytes, at + 4, tenant);
    this.producer.push(0);
    return true;
  }
}

test('retired memory is given out again only when no thread reads it, and a dead thread keeps none', {
  timeout: 240_000 * STRESS,
}, async (t) => {
  const rooms = new SharedArrayBuffer(ROOMS * ROOM_WORDS * 4);
  const words = new Uint32Array(rooms);
  const epochs = new EpochDomain();
  const channels = Array.from({ length: THREADS }, () => new Channel(t, rooms));
  const places = channels.map((channel) => epochs.register(channel.producer));
  const random = randomFrom(3);
  const free = Array.from({ length: ROOMS }, (_, room) => room);
  const occupied: { room: number; tenant: number }[] = [];
  let tenant = 0;
  let reused = 0;
  let deaths = 0;
  for (let step = 0; reused < 20_000 * STRESS; step++) {
    const room = free.pop();
    if (room === undefined) epochs.collect();
    else {
      fillRoom(words, room, ++tenant);
      occupied.push({ room, tenant });
    }
    for (const channel of channels) {
      const named = occupied[random(occupied.length)];
      if (named !== undefined) channel.send(named.room, named.tenant);
      if (random(4) === 0) channel.producer.publish();
    }
    if (occupied.length > 6) {
      const [gone] = occupied.splice(random(occupied.length), 1);
      epochs.retire(() => {
        free.push(gone.room);
        reused++;
      });
    }
    if (reused >= (deaths + 1) * 3000) {
      const index = random(THREADS);
      await channels[index].worker.terminate();
      deaths++;
      channels[index] = new Channel(t, rooms);
      epochs.replace(places[index], channels[index].producer);
    }
    if (step % 64 === 0) await turn();
    for (const { fault } of channels) if (fault !== undefined) throw fault;
  }
  let looks = 0;
  for (const channel of channels) {
    while (!channel.send(END_COMMAND, 0)) await turn();
    channel.producer.publish();
    looks += await channel.looks;
  }
  epochs.collect();
  assert.equal(epochs.pending, 0);
  assert.ok(looks > 0 && deaths > 0);
  t.diagnostic(
    `${reused} rooms given out again, ${deaths} threads killed; those alive at the end looked ${looks} times`,
  );
});
