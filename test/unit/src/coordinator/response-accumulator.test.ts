/** The accumulator against a dumb version of it, which works everything out anew from all that was said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRecord, recordTimestamp, recordWriter } from '../../../../native-free-lsm/index.ts';
import {
  Decision,
  NewerVersion,
  ResponseAccumulator,
} from '../../../../src/coordinator/response-accumulator.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { type ReplicaReply, ReplyKind, SETTLED_WRITER } from '../../../../src/reply.ts';
import { ReplicaState, RequestKind } from '../../../../src/settlement.ts';
import { versionText } from '../../../support/kept-settlements.ts';

interface Said {
  readonly position: number;
  readonly kind: keyof typeof ReplyKind;
  /** 0: no record. */
  readonly timestamp: number;
  readonly writer: number;
  readonly code: number;
  readonly afterMs: number;
}

/** A write is sent under this version, or an answer comes to the last try, or a late one to an earlier try. */
type Event =
  | { readonly what: 'try'; readonly timestamp: number; readonly writer: number }
  | { readonly what: 'said'; readonly said: Said }
  | { readonly what: 'late'; readonly position: number };

function replyOf({ kind, timestamp, writer, code }: Said): ReplicaReply {
  const fields = { timestamp, writer, tombstone: false, from: 3, expiryMs: 0 };
  const record = timestamp === 0 ? null : encodeRecord(fields, Buffer.from('value'));
  return { kind: ReplyKind[kind], record, code, reason: '' };
}

function byVersion(a: Said, b: Said): number {
  return a.timestamp - b.timestamp || a.writer - b.writer;
}

/** What a request has come to after these events, in plain terms. */
class Model {
  readonly #kind: RequestKind;
  readonly #ack: number;
  readonly #from: number;
  readonly #events: readonly Event[];
  readonly #newer: NewerVersion;

  constructor(kind: RequestKind, ack: number, from: number, events: readonly Event[], newer: NewerVersion) {
    this.#newer = newer;
    this.#kind = kind;
    this.#ack = ack;
    this.#from = from;
    this.#events = events;
  }

  get lastTry(): { timestamp: number; writer: number } | undefined {
    return this.#events.findLast((event) => event.what === 'try');
  }

  /** The first answer of each position to the last try. */
  get heard(): Said[] {
    const begin = this.#events.findLastIndex(({ what }) => what === 'try') + 1;
    const all = this.#events.slice(begin).flatMap((event) => (event.what === 'said' ? [event.said] : []));
    return all.filter(({ position }, i) => all.findIndex((said) => said.position === position) === i);
  }

  knewBefore(position: number): boolean {
    const end = this.#events.findLastIndex(({ what }) => what === 'try');
    return this.#events.slice(0, Math.max(end, 0)).some((event, i, before) => {
      if (event.what === 'late') return event.position === position;
      if (event.what === 'try' || event.said.position !== position || event.said.code !== 0) return false;
      if (event.said.writer === SETTLED_WRITER) return false;
      // What is said twice to one try is heard once.
      const begin = before.slice(0, i).findLastIndex(({ what }) => what === 'try') + 1;
      return !before
        .slice(begin, i)
        .some((other) => other.what === 'said' && other.said.position === position);
    });
  }

  isOwn({ kind, timestamp, writer }: Said): boolean {
    return kind === 'stale' && timestamp === this.lastTry?.timestamp && writer === this.lastTry.writer;
  }

  counts(said: Said): boolean {
    if (said.kind === 'ok') return true;
    if (this.#kind === RequestKind.read) return said.kind === 'absent';
    if (said.kind !== 'stale') return false;
    if (this.isOwn(said)) return true;
    if (said.writer === SETTLED_WRITER || this.#newer === NewerVersion.overtakes) return false;
    return this.#newer === NewerVersion.counts || this.knewBefore(said.position);
  }

  putsOff(said: Said): boolean {
    if (said.kind !== 'stale' || said.code !== 0 || this.counts(said)) return false;
    return said.writer !== SETTLED_WRITER || this.#newer === NewerVersion.isJudged;
  }

  /** What led to the decision. */
  get decisive(): Said[] {
    return this.heard.slice(0, this.outcome().decidedAt);
  }

  get disagrees(): boolean {
    const named = this.decisive.filter(
      ({ kind, timestamp }) => kind !== 'failed' && (kind !== 'incomplete' || timestamp > 0),
    );
    const versions = named.map(({ timestamp, writer }) => versionText(timestamp, writer));
    return this.#kind === RequestKind.read && new Set(versions).size > 1;
  }

  get isConflict(): boolean {
    const isNewer = (said: Said): boolean =>
      said.kind === 'stale' && !this.isOwn(said) && said.writer !== SETTLED_WRITER;
    return this.outcome().decision === Decision.succeeded && this.decisive.some(isNewer);
  }

  outcome(): { decision: Decision; successes: number; decidedAt: number } {
    const { heard } = this;
    let successes = 0;
    let putOff = 0;
    for (let i = 0; i < heard.length; i++) {
      if (this.counts(heard[i])) successes++;
      else if (this.putsOff(heard[i])) putOff++;
      const within = successes + this.#from - i - 1;
      const at = { successes, decidedAt: i + 1 };
      if (successes >= this.#ack) return { decision: Decision.succeeded, ...at };
      if (within + putOff < this.#ack) return { decision: Decision.failed, ...at };
      if (within < this.#ack) return { decision: Decision.overtaken, ...at };
    }
    return { decision: Decision.waiting, successes, decidedAt: heard.length };
  }

  /** The newest record until the decision. */
  get record(): string {
    const newest = this.heard
      .slice(0, this.outcome().decidedAt)
      .filter(({ timestamp }) => timestamp > 0)
      .toSorted(byVersion)
      .at(-1);
    return newest === undefined || this.#kind === RequestKind.write
      ? ''
      : versionText(newest.timestamp, newest.writer);
  }

  get version(): string {
    const newest = this.heard
      .filter(({ timestamp }) => timestamp > 0)
      .toSorted(byVersion)
      .at(-1);
    const version = this.#kind === RequestKind.write ? this.lastTry : newest;
    return version === undefined ? '' : versionText(version.timestamp, version.writer);
  }

  replica(position: number): readonly [state: ReplicaState, version: string, code: number, afterMs: number] {
    const isWrite = this.#kind === RequestKind.write;
    const said = this.heard.find((one) => one.position === position);
    if (said === undefined) {
      return [isWrite && this.lastTry === undefined ? ReplicaState.unasked : ReplicaState.silent, '', 0, -1];
    }
    const { code, kind, afterMs } = said;
    const holds = versionText(said.timestamp, said.writer);
    if (kind === 'failed')
      return [code === FailureCode.timedOut ? ReplicaState.silent : ReplicaState.failed, '', code, afterMs];
    if (!isWrite) {
      const lags = holds === '' ? ReplicaState.missing : ReplicaState.stale;
      return [holds === this.version ? ReplicaState.current : lags, holds, code, afterMs];
    }
    if (kind === 'ok' || this.isOwn(said)) return [ReplicaState.current, this.version, code, afterMs];
    return [kind === 'stale' ? ReplicaState.newer : ReplicaState.failed, holds, code, afterMs];
  }
}

/** Lets them happen one by one and compares with the model after each. */
function check(
  kind: RequestKind,
  ack: number,
  from: number,
  events: readonly Event[],
  newer: NewerVersion = NewerVersion.isJudged,
): void {
  const accumulator = new ResponseAccumulator(kind, ack, from);
  accumulator.newerVersion = newer;
  if (kind === RequestKind.read) accumulator.askAll();
  events.forEach((event, i) => {
    const model = new Model(kind, ack, from, events.slice(0, i + 1), newer);
    const expected = model.outcome();
    if (event.what === 'try') {
      accumulator.beginTry(event.timestamp, event.writer);
      accumulator.askAll();
    } else if (event.what === 'late') accumulator.noteKnown(event.position);
    else {
      const { said } = event;
      assert.equal(accumulator.add(said.position, replyOf(said), said.afterMs), expected.decision);
    }
    assert.equal(accumulator.decision, expected.decision);
    assert.equal(accumulator.successes, expected.successes);
    assert.equal(accumulator.disagrees, model.disagrees);
    assert.equal(accumulator.isConflict, model.isConflict);
    const { freshest } = accumulator;
    const record =
      freshest === null ? '' : versionText(recordTimestamp(freshest, 0), recordWriter(freshest, 0));
    assert.equal(record, model.record);
    assert.equal(versionText(accumulator.timestamp, accumulator.writer), model.version);
    const isUnsent = kind === RequestKind.write && model.lastTry === undefined;
    assert.equal(accumulator.isComplete, isUnsent || model.heard.length === from);
    for (let position = 0; position < from; position++) {
      const seen = [
        accumulator.stateOf(position),
        versionText(accumulator.timestampOf(position), accumulator.writerOf(position)),
        accumulator.failureOf(position),
        accumulator.answeredAfterMs(position),
      ];
      assert.deepEqual(seen, model.replica(position), `position ${position}`);
      assert.equal(accumulator.hasAnswered(position), seen[3] !== -1);
    }
  });
}

const FIRST_TRY: Event = { what: 'try', timestamp: 2, writer: 1 };
const kinds = ['ok', 'absent', 'failed', 'incomplete', 'stale'] as const;

/** A write has been sent before anybody answers. */
function asEvents(kind: RequestKind, said: readonly Said[]): Event[] {
  const events = said.map((one): Event => ({ what: 'said', said: one }));
  return kind === RequestKind.write ? [FIRST_TRY, ...events] : events;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** Every order of up to three positions; of more, each that goes round: the kinds below take every order themselves. */
function orders(from: number): number[][] {
  const positions = Array.from({ length: from }, (_, i) => i);
  if (from <= 3) return permutations(positions);
  return positions.map((first) => [...positions.slice(first), ...positions.slice(0, first)]);
}

/** Every sequence of this many kinds. */
function sequences(length: number): Said['kind'][][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((sequence) => kinds.map((kind) => [...sequence, kind]));
}

function codeOf(kind: Said['kind'], i: number): number {
  if (kind === 'incomplete') return FailureCode.incomplete;
  if (kind === 'failed') return i % 2 === 0 ? FailureCode.timedOut : FailureCode.storage;
  return kind === 'stale' && i % 3 === 2 ? FailureCode.versionAhead : FailureCode.none;
}

test('agrees with the model over every order of all kinds of replies, for up to 4 replicas', () => {
  for (let from = 1; from <= 4; from++) {
    for (const order of orders(from)) {
      for (const sequence of sequences(from)) {
        const said = sequence.map((kind, i): Said => {
          const carries = kind === 'ok' || kind === 'stale' || (kind === 'incomplete' && i > 0);
          const timestamp = carries ? 1 + ((i * 2) % 3) : 0;
          return { position: order[i], kind, timestamp, writer: order[i], code: codeOf(kind, i), afterMs: i };
        });
        const answers = said.filter(({ kind }) => kind !== 'stale');
        for (let ack = 1; ack <= from; ack++) {
          check(RequestKind.read, ack, from, asEvents(RequestKind.read, answers));
          const stored = said.map((one) => (one.kind === 'ok' ? { ...one, timestamp: 0 } : one));
          check(RequestKind.write, ack, from, asEvents(RequestKind.write, stored));
        }
      }
    }
  }
});

const timestamps = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(2 ** 32, 2 ** 53 - 1));
const writers = fc.constantFrom(0, 1, 2 ** 32 - 2, SETTLED_WRITER);
const ownWriters = fc.constantFrom(0, 1, 2 ** 32 - 2);

function sayings(kind: RequestKind, from: number): fc.Arbitrary<Said> {
  const spoken = kinds.filter((one) => one !== 'stale' || kind === RequestKind.write);
  return fc
    .record({
      position: fc.nat(from - 1),
      kind: fc.constantFrom(...spoken),
      timestamp: timestamps,
      writer: writers,
      hasRecord: fc.boolean(),
      code: fc.integer({ min: 1, max: 255 }),
      afterMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
    })
    .map(({ hasRecord, ...said }) => {
      const { kind: what } = said;
      const isStored = what === 'ok' && kind === RequestKind.write;
      const carries =
        what === 'stale' || (what === 'ok' && !isStored) || (what === 'incomplete' && hasRecord);
      const isAhead = what === 'stale' && !hasRecord;
      const code = what === 'failed' || what === 'incomplete' || isAhead ? said.code : FailureCode.none;
      return { ...said, code, timestamp: carries ? said.timestamp : 0, writer: carries ? said.writer : 0 };
    });
}

const quorums = fc
  .integer({ min: 1, max: 32 })
  .chain((from) => fc.record({ from: fc.constant(from), ack: fc.integer({ min: 1, max: from }) }));

test('agrees with the model over reads whose replicas answer late, twice and never, the 32nd too', () => {
  const reads = quorums.chain(({ ack, from }) =>
    fc.record({
      ack: fc.constant(ack),
      from: fc.constant(from),
      said: fc.array(sayings(RequestKind.read, from), { maxLength: 50 }),
    }),
  );
  fc.assert(
    fc.property(reads, ({ ack, from, said }) =>
      check(RequestKind.read, ack, from, asEvents(RequestKind.read, said)),
    ),
    { numRuns: 300 },
  );
});

test('agrees with the model over writes that are sent again, and never', () => {
  const writes = fc
    .record({ from: fc.integer({ min: 1, max: 6 }), share: fc.double({ min: 0, max: 1, noNaN: true }) })
    .chain(({ from, share }) => {
      const events = fc.oneof(
        {
          weight: 6,
          arbitrary: sayings(RequestKind.write, from).map((said): Event => ({ what: 'said', said })),
        },
        { weight: 1, arbitrary: fc.nat(from - 1).map((position): Event => ({ what: 'late', position })) },
        {
          weight: 1,
          arbitrary: fc.record({
            what: fc.constant('try' as const),
            timestamp: timestamps,
            writer: ownWriters,
          }),
        },
      );
      const ack = 1 + Math.floor(share * (from - 1));
      return fc.record({
        ack: fc.constant(ack),
        from: fc.constant(from),
        more: fc.array(events, { maxLength: 30 }),
        newer: fc.constantFrom(...Object.values(NewerVersion)),
      });
    });
  fc.assert(
    fc.property(writes, ({ ack, from, more, newer }) => {
      check(RequestKind.write, ack, from, [], newer);
      check(RequestKind.write, ack, from, [FIRST_TRY, ...more], newer);
    }),
    { numRuns: 1_000 },
  );
});

test('of replicas that were not asked nothing is expected, and nothing is said', () => {
  const positions = fc.uniqueArray(fc.nat(31), { minLength: 1, maxLength: 32 });
  fc.assert(
    fc.property(positions, fc.integer({ min: 1, max: 32 }), fc.boolean(), (asked, ack, isWrite) => {
      const accumulator = new ResponseAccumulator(isWrite ? RequestKind.write : RequestKind.read, ack, 32);
      assert.equal(accumulator.isComplete, true, 'nobody was asked');
      if (isWrite) accumulator.beginTry(2, 1);
      const said = { kind: 'ok', timestamp: 0, writer: 0, code: 0, afterMs: 1 } as const;
      for (const [i, position] of asked.entries()) {
        accumulator.ask(position);
        assert.equal(accumulator.isComplete, false);
        const decision = accumulator.add(position, replyOf({ ...said, position }), 1);
        assert.equal(decision, i + 1 >= ack ? Decision.succeeded : Decision.waiting);
        assert.equal(accumulator.isComplete, true);
      }
      for (let position = 0; position < 32; position++) {
        const isAsked = asked.includes(position);
        assert.equal(accumulator.isAsked(position), isAsked);
        assert.equal(accumulator.stateOf(position), isAsked ? ReplicaState.current : ReplicaState.unasked);
        assert.equal(accumulator.answeredAfterMs(position), isAsked ? 1 : -1);
      }
      // In the next try nobody is asked yet.
      if (!isWrite) return;
      accumulator.beginTry(3, 1);
      assert.equal(accumulator.stateOf(asked[0]), ReplicaState.unasked);
    }),
  );
});

test('the record of a node that is not whole is used, and does not count', () => {
  const accumulator = new ResponseAccumulator(RequestKind.read, 2, 3);
  const said = { position: 0, code: 0, afterMs: 1, writer: 1 };
  accumulator.add(0, replyOf({ ...said, kind: 'ok', timestamp: 5 }), 1);
  accumulator.add(1, replyOf({ ...said, kind: 'incomplete', timestamp: 9 }), 1);
  assert.equal(accumulator.decision, Decision.waiting);
  accumulator.add(2, replyOf({ ...said, kind: 'absent', timestamp: 0 }), 1);
  assert.equal(accumulator.decision, Decision.succeeded);
  assert.equal(recordTimestamp(accumulator.freshest!, 0), 9);
});

test('of a read it knows with which from the freshest version was written, also when that comes late', () => {
  const accumulator = new ResponseAccumulator(RequestKind.read, 1, 3);
  const answer = (timestamp: number, from: number): ReplicaReply => {
    const fields = { timestamp, writer: 1, tombstone: false, from, expiryMs: 0 };
    return { kind: ReplyKind.ok, record: encodeRecord(fields, new Uint8Array(0)), code: 0, reason: '' };
  };
  assert.equal(accumulator.writtenFrom, 0);
  accumulator.add(0, answer(5, 3), 1);
  accumulator.add(1, answer(9, 1), 1);
  accumulator.add(2, answer(7, 2), 1);
  assert.equal(accumulator.decision, Decision.succeeded);
  assert.equal(accumulator.writtenFrom, 1);
});
