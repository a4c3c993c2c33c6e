import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from '../../../../src/admission/admission.ts';
import type { Door, DoorContext } from '../../../../src/admission/door.ts';
import { systemClock } from '../../../../src/clock.ts';
import { defaultNodeSettings } from '../../../../src/config.ts';
import { httpDoor } from '../../../../src/http/door.ts';
import { Doors } from '../../../../src/node/doors.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { type EntityCall, FakeEntities, FakeRanges, request, until } from '../../../contract/http/harness.ts';
import { RawClient } from '../../../contract/http/raw-client.ts';
import { type LineDoor, lineDoor } from '../../../support/line-door.ts';

const LIMITS = { maxRequestsInFlight: 10, maxBytesInFlight: 1 << 20, answerTimeoutMs: 1000 };

/** Notes what it is told, and closes when it is let. */
class NotedDoor implements Door {
  readonly address: string;
  readonly closing = Promise.withResolvers<void>();
  readonly #notes: string[];
  #listenFault: Error | null;

  constructor(address: string, notes: string[], listenFault: Error | null = null) {
    this.address = address;
    this.#notes = notes;
    this.#listenFault = listenFault;
  }

  async listen(): Promise<void> {
    this.#note('listen');
    if (this.#listenFault !== null) throw this.#listenFault;
  }

  quiesce(): void {
    this.#note('quiesce');
  }

  close(): Promise<void> {
    this.#note('close');
    return this.closing.promise;
  }

  abort(): void {
    this.#note('abort');
    this.closing.resolve();
  }

  #note(what: string): void {
    this.#notes.push(`${this.address} ${what}`);
  }
}

function contextOf(admission: Admission): DoorContext {
  const log = { info: () => {}, warn: () => {}, error: (message: string) => assert.fail(message) };
  const status = { status: () => ({}) };
  const entities = new FakeEntities();
  const ranges = new FakeRanges();
  return {
    entities,
    ranges,
    status,
    repairs: { repair: () => 1 },
    profiles: null,
    admission,
    clock: systemClock,
    log,
    firstEncoder: 1,
  };
}

test('doors open in their order, and one that cannot keeps those behind it shut', async () => {
  const notes: string[] = [];
  const clock = new FakeClock();
  const fault = new Error('taken');
  const first = new NotedDoor('a', notes);
  const doors = new Doors(
    [first, new NotedDoor('b', notes, fault), new NotedDoor('c', notes)],
    new Admission(LIMITS, clock),
    clock,
  );
  assert.deepEqual(doors.addresses, ['a', 'b', 'c']);
  await assert.rejects(doors.listen(), fault);
  assert.deepEqual(notes, ['a listen', 'b listen']);
});

test('a drain tells every door first, and closes them once what came through any of them has ended', async () => {
  const notes: string[] = [];
  const clock = new FakeClock();
  const admission = new Admission(LIMITS, clock);
  const both = [new NotedDoor('a', notes), new NotedDoor('b', notes)];
  const doors = new Doors(both, admission, clock);
  admission.admitRequest(10);
  const drained = doors.drain();
  clock.flush();
  assert.ok(admission.isDraining);
  assert.deepEqual(notes, ['a quiesce', 'b quiesce']);
  admission.releaseRequest(10);
  assert.equal(notes.length, 2);
  clock.flush();
  assert.deepEqual(notes.splice(0), ['a quiesce', 'b quiesce', 'a close', 'b close']);
  for (const { closing } of both) closing.resolve();
  await drained;
  await doors.drain();
  assert.deepEqual(notes, []);
});

test('whoever loses patience has what is left cut off, also when it asks again', async () => {
  const notes: string[] = [];
  const clock = new FakeClock();
  const admission = new Admission(LIMITS, clock);
  const doors = new Doors([new NotedDoor('a', notes)], admission, clock);
  admission.admitRequest(10);
  const drained = doors.drain();
  const impatience = new AbortController();
  const again = doors.drain(impatience.signal);
  assert.deepEqual(notes, ['a quiesce']);
  impatience.abort();
  await Promise.all([drained, again]);
  assert.deepEqual(notes, ['a quiesce', 'a close', 'a abort']);
  admission.releaseRequest(10);
  clock.flush();
  assert.equal(notes.length, 3);
});

test('a door that does not close is told of when the others have closed', async () => {
  const notes: string[] = [];
  const clock = new FakeClock();
  const both = [new NotedDoor('a', notes), new NotedDoor('b', notes)];
  const doors = new Doors(both, new Admission(LIMITS, clock), clock);
  const drained = doors.drain();
  let isOver = false;
  const over = assert.rejects(drained, /stuck/).then(() => {
    isOver = true;
  });
  clock.flush();
  both[0].closing.reject(new Error('stuck'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, false);
  both[1].closing.resolve();
  await over;
});

test('each door knows its encoders by the numbers that the engine has for them', () => {
  const firsts: number[] = [];
  const clock = new FakeClock();
  const context = contextOf(new Admission(LIMITS, clock));
  const factory = (entryEncoders: string[]) => ({
    entryEncoders,
    create({ firstEncoder }: DoorContext): Door {
      firsts.push(firstEncoder);
      return new NotedDoor('a', []);
    },
  });
  Doors.create([factory([]), factory(['file:///1', 'file:///2']), factory(['file:///3'])], context);
  assert.deepEqual(firsts, [1, 1, 3]);
});

test('HTTP and a second door share one admission, and are drained together', async () => {
  const admission = new Admission({ ...LIMITS, maxRequestsInFlight: 1 }, systemClock);
  const context = contextOf(admission);
  const held: EntityCall[] = [];
  const entities = context.entities as FakeEntities;
  entities.stored.set('key', Buffer.from('value'));
  entities.behaviour = (call) => void held.push(call);
  let lines: LineDoor | undefined;
  const http = httpDoor({ host: '127.0.0.1', port: 0 }, defaultNodeSettings());
  const doors = Doors.create([http, lineDoor((door) => (lines = door))], context);
  await doors.listen();
  const { hostname, port } = new URL(doors.addresses[0]);
  const get = request('GET', '/v0/entity?id=key').replace('Host: test', `Host: ${hostname}`);
  using web = await RawClient.connect(Number(port));
  using line = lines!.connect();

  // The one request that may be under way came by lines: HTTP has no place, and then the other way round.
  line.say('1 GET key');
  await until(() => held.length === 1);
  assert.equal((await web.send(get).answer()).status, 503);
  entities.settle(held[0]);
  assert.equal(await line.answer(), '1 OK value');
  web.send(get);
  await until(() => held.length === 2);
  assert.match(await line.ask('2 PUT key other'), /^2 overloaded /);

  let isDrained = false;
  const drained = doors.drain().then(() => {
    isDrained = true;
  });
  assert.match(await line.ask('3 GET key'), /^3 overloaded The node is stopping/);
  assert.equal(isDrained, false);
  entities.settle(held[1]);
  assert.equal((await web.answer()).body.toString(), 'value');
  await Promise.all([drained, line.closed, web.closed]);
  assert.throws(() => lines?.connect(), /closed/);
  assert.deepEqual(
    held.map(({ method }) => method),
    ['GET', 'GET'],
  );
});
