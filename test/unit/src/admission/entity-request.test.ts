import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission, BEHIND_SENTENCE, OVERLOADED_SENTENCE } from '../../../../src/admission/admission.ts';
import { ClientConnection, MAX_PIPELINED_REQUESTS } from '../../../../src/admission/client-connection.ts';
import type { DoorContext } from '../../../../src/admission/door.ts';
import {
  type EntityMethod,
  EntityRequest,
  type ValueIntake,
} from '../../../../src/admission/entity-request.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { DEFAULT_REQUEST } from '../../../../src/request-options.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { type EntityCall, FakeEntities, FakeRanges } from '../../../contract/http/harness.ts';

const KEY = Buffer.from('key');

class Parts {
  readonly clock = new FakeClock();
  readonly entities = new FakeEntities();
  readonly held: EntityCall[] = [];
  readonly logged: string[] = [];
  readonly admission: Admission;
  readonly context: DoorContext;

  constructor(maxRequestsInFlight = 10_000) {
    const { clock, entities } = this;
    const limits = { maxRequestsInFlight, maxBytesInFlight: 1 << 20, answerTimeoutMs: 1000 };
    this.admission = new Admission(limits, clock);
    const log = { info: () => {}, warn: () => {}, error: (message: string) => this.logged.push(message) };
    const services = {
      entities,
      ranges: new FakeRanges(),
      status: { status: () => ({}) },
      repairs: { repair: () => 1 },
      profiles: null,
    };
    this.context = { ...services, admission: this.admission, clock, log, firstEncoder: 1 };
    entities.behaviour = (call) => this.held.push(call);
  }

  request(
    method: EntityMethod,
    intake: FakeIntake | null = null,
    connection = new ClientConnection(STREAM),
  ): Asked {
    return new Asked(this.context, connection, method, KEY, DEFAULT_REQUEST).start(intake);
  }

  get isIdle(): boolean {
    const { requestsInFlight, bytesInFlight, lines } = this.admission.figures;
    const inLines = Object.values(lines).map(({ served, waiting }) => served + waiting);
    return [requestsInFlight, bytesInFlight, ...inLines].every((count) => count === 0);
  }
}

const STREAM = { pause: () => {}, resume: () => {} };

/** A request that notes its answers. */
class Asked extends EntityRequest {
  readonly answers: string[] = [];
  isGone = false;

  start(intake: FakeIntake | null): this {
    if (intake !== null) this.awaitValue(intake);
    this.queue();
    return this;
  }

  get unanswered(): number {
    return this.connection.unanswered;
  }

  protected get isClientGone(): boolean {
    return this.isGone;
  }

  protected answer(outcome: Outcome, value: Uint8Array | null, reason: string): void {
    this.answers.push(`${outcome}: ${value === null ? reason : Buffer.from(value)}`);
  }

  protected answerUnserved(outcome: Outcome, reason: string): void {
    this.answers.push(`unserved ${outcome}: ${reason}`);
  }
}

class FakeIntake implements ValueIntake {
  reservedBytes = 0;
  readonly expectedBytes: number;
  readonly isSmall: boolean;
  readonly mayBegin: boolean;
  isOver = false;
  readonly calls: string[] = [];

  constructor(expectedBytes: number, mayBegin: boolean) {
    this.expectedBytes = expectedBytes;
    this.isSmall = expectedBytes < 10_000;
    this.mayBegin = mayBegin;
  }

  begin(): void {
    this.calls.push('begin');
  }

  readOn(): void {
    this.calls.push('readOn');
  }

  discard(): void {
    this.calls.push('discard');
  }

  stop(): void {
    this.calls.push('stop');
    this.isOver = true;
  }
}

test('a request is served, answered once, and leaves nothing behind', () => {
  const parts = new Parts();
  const asked = parts.request('GET');
  assert.equal(asked.unanswered, 1);
  const [{ reply }] = parts.held;
  reply.onOutcome(Outcome.ok, Buffer.from('value'), '', 0, 0, 0);
  reply.onOutcome(Outcome.failed, null, 'again', 0, 0, 0);
  assert.deepEqual(asked.answers, [`${Outcome.ok}: value`]);
  assert.equal(asked.unanswered, 0);
  assert.ok(parts.isIdle);
  assert.equal(parts.admission.expectedReadBytes, 2.5);
});

test('a service that throws is answered for', () => {
  const parts = new Parts();
  parts.entities.behaviour = () => {
    throw new Error('lost');
  };
  const { answers } = parts.request('DELETE');
  assert.deepEqual(answers, [`${Outcome.failed}: The node failed while it served the request.`]);
  assert.match(parts.logged.join(), /DELETE of an entity failed: lost/);
  assert.ok(parts.isIdle);
});

test('beyond what a node takes on, and beyond what a connection may have unanswered, nothing is begun', () => {
  const parts = new Parts(1);
  parts.request('GET');
  const second = parts.request('GET');
  assert.deepEqual(second.answers, [`unserved ${Outcome.overloaded}: ${OVERLOADED_SENTENCE}`]);
  assert.equal(second.unanswered, 0);
  const connection = new ClientConnection(STREAM);
  connection.unanswered = MAX_PIPELINED_REQUESTS;
  const ahead = parts.request('GET', null, connection);
  assert.match(ahead.answers.join(), /has 2048 requests unanswered/);
  assert.equal(connection.unanswered, MAX_PIPELINED_REQUESTS);
  assert.equal(parts.admission.figures.refused, 2);
  assert.equal(parts.held.length, 1);
});

test('one whose client goes while it waits in line is not served', () => {
  const parts = new Parts();
  const all = Array.from({ length: 200 }, () => parts.request('GET'));
  const waiting = all.filter((_, i) => i >= parts.held.length);
  assert.ok(waiting.length > 0);
  for (const asked of waiting) asked.isGone = true;
  const served = parts.held.length;
  for (const call of parts.held) parts.entities.settle(call);
  assert.equal(parts.held.length, served);
  assert.deepEqual(
    waiting.flatMap(({ answers }) => answers),
    [],
  );
  assert.ok(parts.isIdle);
});

test('a small value is read before the request waits, a large one goes on when it is its turn', () => {
  const parts = new Parts();
  const small = new FakeIntake(10, true);
  const put = parts.request('PUT', small);
  assert.deepEqual(small.calls, ['begin']);
  assert.equal(parts.held.length, 0);
  put.onValue(Buffer.from('small'));
  assert.equal(parts.held[0].value.toString(), 'small');

  const large = new FakeIntake(20_000, true);
  const begun = parts.request('PUT', large);
  begun.onValueBegun();
  assert.deepEqual(large.calls, ['begin', 'readOn']);
  begun.onValue(Buffer.from('large'));
  assert.equal(parts.held[1].value.toString(), 'large');
  const { lines } = parts.admission.figures;
  assert.deepEqual([lines.smallWrites.served, lines.largeWrites.served], [1, 1]);

  const unread = new FakeIntake(20_000, false);
  parts.request('PUT', unread);
  assert.deepEqual(unread.calls, ['readOn']);
});

test('a value that comes slowly gives its place in line to others, and one that is cut stores nothing', () => {
  const parts = new Parts();
  const intake = new FakeIntake(20_000, false);
  const slow = parts.request('PUT', intake);
  assert.equal(parts.admission.figures.lines.largeWrites.served, 1);
  slow.onValueSlow();
  assert.equal(parts.admission.figures.lines.largeWrites.served, 0);
  assert.equal(parts.admission.figures.requestsInFlight, 1);
  slow.onValueCut();
  assert.deepEqual(intake.calls, ['readOn', 'stop']);
  assert.ok(parts.isIdle);
  assert.deepEqual([slow.answers, parts.held], [[], []]);
});

test('a value for which there is no room is let go of, and its request refused in its turn', () => {
  const parts = new Parts();
  const intake = new FakeIntake(20_000, true);
  const asked = parts.request('PUT', intake);
  asked.onNoRoom();
  assert.deepEqual(intake.calls, ['begin', 'discard', 'stop']);
  assert.deepEqual(asked.answers, [`unserved ${Outcome.overloaded}: ${BEHIND_SENTENCE}`]);
  assert.ok(parts.isIdle);
});

test('a request that waits behind others of its connection is dropped with it', () => {
  const parts = new Parts();
  const connection = new ClientConnection(STREAM);
  const all = Array.from({ length: 6 }, () => parts.request('GET', null, connection));
  assert.equal(parts.held.length, 4);
  connection.close();
  assert.equal(connection.unanswered, 4);
  for (const call of parts.held) parts.entities.settle(call);
  assert.deepEqual(
    all.map(({ answers }) => answers.length),
    [1, 1, 1, 1, 0, 0],
  );
  assert.ok(parts.isIdle);
});

test('one that has ended while it waited behind others is not ended again when its client goes', () => {
  const parts = new Parts();
  const connection = new ClientConnection(STREAM);
  for (let i = 0; i < 4; i++) parts.request('GET', null, connection);
  const cut = parts.request('PUT', new FakeIntake(10, true), connection);
  assert.equal(connection.unanswered, 5);
  cut.onValueCut();
  assert.equal(connection.unanswered, 4);
  connection.close();
  assert.equal(connection.unanswered, 4);
});
