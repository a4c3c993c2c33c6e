import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRecord, recordTimestamp, recordWriter } from '../../../../native-free-lsm/index.ts';
import {
  Decision,
  RequestKind,
  ResponseAccumulator,
} from '../../../../src/coordinator/response-accumulator.ts';
import { type ReplicaReply, ReplyKind } from '../../../../src/reply.ts';

interface Said {
  readonly kind: keyof typeof ReplyKind;
  /** 0: no record. */
  readonly timestamp: number;
  readonly writer: number;
}

function replyOf({ kind, timestamp, writer }: Said): ReplicaReply {
  const fields = { timestamp, writer, tombstone: false, from: 3, expiryMs: 0 };
  const record = timestamp === 0 ? null : encodeRecord(fields, Buffer.from('value'));
  return { kind: ReplyKind[kind], record, code: 0, reason: '' };
}

function versionOf(record: Uint8Array | null): string {
  return record === null ? 'none' : `${recordTimestamp(record, 0)} by ${recordWriter(record, 0)}`;
}

/** What a request has come to after these replies, from scratch. */
function model(kind: RequestKind, ack: number, from: number, replies: readonly Said[]) {
  const counts = (said: Said): boolean =>
    said.kind === 'ok' || (said.kind === 'absent' && kind === RequestKind.read);
  let decision: Decision = Decision.waiting;
  let heard: Said[] = [];
  for (let length = 1; length <= replies.length && decision === Decision.waiting; length++) {
    heard = replies.slice(0, length);
    const successes = heard.filter(counts).length;
    const stale = heard.filter((said) => said.kind === 'stale').length;
    const within = successes + (from - length);
    if (successes >= ack) decision = Decision.succeeded;
    else if (within + stale < ack) decision = Decision.failed;
    else if (within < ack) decision = Decision.overtaken;
  }
  const freshest = heard
    .filter((said) => said.timestamp !== 0)
    .sort((a, b) => b.timestamp - a.timestamp || b.writer - a.writer)
    .map(({ timestamp, writer }) => `${timestamp} by ${writer}`)
    .at(0);
  return { decision, freshest: freshest ?? 'none', successes: heard.filter(counts).length };
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** Adds them one by one and compares with the model after each. */
function check(kind: RequestKind, ack: number, from: number, said: readonly [number, Said][]): void {
  const accumulator = new ResponseAccumulator(kind, ack, from);
  said.forEach(([position, each], i) => {
    const decision = accumulator.add(position, replyOf(each));
    const expected = model(
      kind,
      ack,
      from,
      said.slice(0, i + 1).map(([, one]) => one),
    );
    assert.equal(decision, expected.decision);
    assert.equal(accumulator.decision, expected.decision);
    assert.equal(accumulator.successes, expected.successes);
    assert.equal(versionOf(accumulator.freshest), expected.freshest);
  });
}

const kinds = ['ok', 'absent', 'failed', 'incomplete', 'stale'] as const;
const requests = fc.constantFrom<RequestKind>(RequestKind.read, RequestKind.write);

/** Every order of up to four positions; of five, each that goes round: the kinds below take every order by themselves. */
function orders(from: number): number[][] {
  const positions = Array.from({ length: from }, (_, i) => i);
  if (from <= 4) return permutations(positions);
  return positions.map((first) => [...positions.slice(first), ...positions.slice(0, first)]);
}

/** Every sequence of kinds, the shorter ones with replicas that never answer. */
function sequences(length: number): Said['kind'][][] {
  if (length === 0) return [[]];
  const shorter = sequences(length - 1);
  const longest = shorter.filter((sequence) => sequence.length === length - 1);
  return [...shorter, ...longest.flatMap((sequence) => kinds.map((kind) => [...sequence, kind]))];
}

test('agrees with the model over every order of all kinds of replies, for up to 5 replicas', () => {
  for (let from = 1; from <= 5; from++) {
    for (const order of orders(from)) {
      for (const sequence of sequences(from)) {
        const said = sequence.map((kind, i): [number, Said] => {
          const carries = kind === 'ok' || (kind === 'incomplete' && i > 0);
          return [order[i], { kind, timestamp: carries ? 1 + ((i * 2) % 3) : 0, writer: order[i] }];
        });
        for (let ack = 1; ack <= from; ack++) {
          check(RequestKind.read, ack, from, said);
          check(RequestKind.write, ack, from, said);
        }
      }
    }
  }
});

const largeOrSmall = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(2 ** 32, 2 ** 53 - 1));
const anything: fc.Arbitrary<Said> = fc
  .record({
    kind: fc.constantFrom(...kinds),
    timestamp: largeOrSmall,
    writer: fc.integer({ min: 0, max: 2 }),
    hasRecord: fc.boolean(),
  })
  .map(({ kind, timestamp, writer, hasRecord }) => {
    const carries = kind === 'ok' || (kind === 'incomplete' && hasRecord);
    return { kind, writer, timestamp: carries ? timestamp : 0 };
  });

test('agrees with the model over every order of any 5 replies', () => {
  fc.assert(
    fc.property(
      requests,
      fc.integer({ min: 1, max: 5 }),
      fc.array(anything, { minLength: 1, maxLength: 5 }),
      (kind, ack, replies) => {
        const said = replies.map((each, position): [number, Said] => [position, each]);
        for (const order of permutations(said)) check(kind, ack, 5, order);
      },
    ),
    { numRuns: 60 },
  );
});

test('a position counts once, however often it answers, the 32nd as well', () => {
  fc.assert(
    fc.property(
      requests,
      fc.integer({ min: 1, max: 32 }),
      fc.integer({ min: 1, max: 32 }),
      fc.array(fc.tuple(fc.nat(31), anything), { maxLength: 80 }),
      (kind, ack, from, said) => {
        fc.pre(ack <= from);
        const accumulator = new ResponseAccumulator(kind, ack, from);
        const firsts = new Map<number, Said>();
        for (const [at, each] of said) {
          const position = at % from;
          assert.equal(accumulator.hasAnswered(position), firsts.has(position));
          const wasDecided = accumulator.decision !== Decision.waiting;
          if (!wasDecided && !firsts.has(position)) firsts.set(position, each);
          const expected = model(kind, ack, from, [...firsts.values()]);
          assert.equal(accumulator.add(position, replyOf(each)), expected.decision);
          assert.equal(accumulator.successes, expected.successes);
          assert.equal(versionOf(accumulator.freshest), expected.freshest);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the record of a node that is not whole is used, and does not count', () => {
  const accumulator = new ResponseAccumulator(RequestKind.read, 2, 3);
  accumulator.add(0, replyOf({ kind: 'ok', timestamp: 5, writer: 1 }));
  accumulator.add(1, replyOf({ kind: 'incomplete', timestamp: 9, writer: 1 }));
  assert.equal(accumulator.decision, Decision.waiting);
  accumulator.add(2, replyOf({ kind: 'absent', timestamp: 0, writer: 0 }));
  assert.equal(accumulator.decision, Decision.succeeded);
  assert.equal(versionOf(accumulator.freshest), '9 by 1');
});
