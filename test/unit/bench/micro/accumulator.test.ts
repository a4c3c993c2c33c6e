/** Both ways of accumulating, in one thread and in several, against a model that looks at all answers each time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { REPLICAS, VERSIONS, WAYS } from '../../../../bench/micro/accumulator/answers.ts';
import { measureContended, THREADS } from '../../../../bench/micro/accumulator/contention.ts';
import { createFold } from '../../../../bench/micro/accumulator/own-folds.ts';
import { createSharedFold } from '../../../../bench/micro/accumulator/shared-folds.ts';
import { SharedRequests } from '../../../../bench/micro/accumulator/shared-requests.ts';
import { benchRowsOf } from '../../../../bench/support/bench-file.ts';

const RUN = fileURLToPath(new URL('../../../../bench/micro/accumulator/run.ts', import.meta.url));

interface DrawnAnswer {
  readonly position: number;
  readonly isSuccess: boolean;
  readonly timestamp: number;
  readonly writer: number;
}

/** What a request came to. */
interface FoldEnd {
  readonly isSuccess: boolean;
  readonly timestamp: number;
  readonly writer: number;
}

const FAILED: FoldEnd = { isSuccess: false, timestamp: 0, writer: 0 };

/** In the order of their arrival. null: no more than before. */
function modelOf(answers: readonly DrawnAnswer[], ack: number, from: number): FoldEnd | null {
  for (let heard = 1; heard <= answers.length; heard++) {
    const successes = answers.slice(0, heard).filter(({ isSuccess }) => isSuccess);
    if (successes.length === ack) {
      const [{ timestamp, writer }] = successes.toSorted(newestFirst);
      return { isSuccess: true, timestamp, writer };
    }
    if (heard - successes.length > from - ack) return FAILED;
  }
  return null;
}

function newestFirst(a: FoldEnd, b: FoldEnd): number {
  return b.timestamp - a.timestamp || b.writer - a.writer;
}

const quorums = fc
  .integer({ min: 1, max: 32 })
  .chain((from) => fc.record({ from: fc.constant(from), ack: fc.integer({ min: 1, max: from }) }));
/** Some positions in any order, few versions, so that many are the same, and large timestamps among them. */
const requests = quorums.chain(({ ack, from }) =>
  fc.record({
    ack: fc.constant(ack),
    from: fc.constant(from),
    answers: fc.shuffledSubarray(Array.from({ length: from }, (_, position) => position)).chain((positions) =>
      fc.tuple(
        ...positions.map((position) =>
          fc.record({
            position: fc.constant(position),
            isSuccess: fc.boolean(),
            timestamp: fc.constantFrom(0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 3),
            writer: fc.constantFrom(0, 1, 2 ** 31 - 1),
          }),
        ),
      ),
    ),
  }),
);

for (const way of WAYS) {
  test(`${way}: one thread comes to what the model does, once`, () => {
    fc.assert(
      fc.property(requests, ({ ack, from, answers }) => {
        const fold = createFold(way, ack, from);
        const ends: FoldEnd[] = [];
        for (const { isSuccess, position, timestamp, writer } of answers) {
          if (!isSuccess) {
            if (fold.fail()) ends.push(FAILED);
          } else if (fold.succeed(position, timestamp, writer))
            ends.push({ isSuccess: true, timestamp: fold.timestamp, writer: fold.writer });
        }
        const expected = modelOf(answers, ack, from);
        assert.deepEqual(ends, expected === null ? [] : [expected]);
      }),
      { numRuns: 1_000 },
    );
  });

  test(`${way}: shared memory comes to the same, and requests beside each other keep apart`, () => {
    fc.assert(
      fc.property(requests, ({ ack, from, answers }) => {
        const shared = SharedRequests.create(3, from);
        // Of another thread, as it were: the answers alternate between the two.
        const folds = [0, 1].map(() => createSharedFold(way, shared, ack, from));
        const ends: FoldEnd[][] = [[], [], []];
        for (const [i, { isSuccess, position, timestamp, writer }] of answers.entries()) {
          for (const [request, list] of ends.entries()) {
            const fold = folds[(i + request) % 2];
            if (!isSuccess) {
              if (fold.fail(request)) list.push(FAILED);
            } else if (fold.succeed(request, position, timestamp + request, writer))
              list.push({ isSuccess: true, timestamp: fold.timestamp, writer: fold.writer });
          }
        }
        for (const [request, list] of ends.entries()) {
          const own = answers.map((answer) => ({
            ...answer,
            timestamp: answer.timestamp + request,
          }));
          const expected = modelOf(own, ack, from);
          assert.deepEqual(list, expected === null ? [] : [expected]);
        }
        shared.clear();
        assert.ok(shared.words.every((word) => word === 0));
      }),
      { numRuns: 500 },
    );
  });

  test(`${way}: whatever comes between two steps of an answer, a request is decided once, by the freshest of the answers it needs`, ({
    mock,
  }) => {
    // An answer is held up behind any of its atomic steps, while others come in whole, or are held up in their turn.
    let onStep: () => void = () => undefined;
    for (const step of ['load', 'compareExchange', 'add', 'or'] as const) {
      const atomic = Atomics[step] as (...args: readonly unknown[]) => number;
      mock.method(Atomics, step, (...args: readonly unknown[]) => {
        const found = atomic(...args);
        onStep();
        return found;
      });
    }
    const pauses = fc.infiniteStream(fc.boolean());
    fc.assert(
      fc.property(requests, pauses, ({ ack, from, answers }, pauses) => {
        const shared = SharedRequests.create(1, from);
        const coming = [...answers];
        const ends: FoldEnd[] = [];
        const bringNext = (): void => {
          const answer = coming.shift();
          if (answer === undefined) return;
          // Each of a thread of its own.
          const fold = createSharedFold(way, shared, ack, from);
          if (!answer.isSuccess) {
            if (fold.fail(0)) ends.push(FAILED);
          } else if (fold.succeed(0, answer.position, answer.timestamp, answer.writer))
            ends.push({ isSuccess: true, timestamp: fold.timestamp, writer: fold.writer });
        };
        onStep = () => {
          if (pauses.next().value) bringNext();
        };
        while (coming.length > 0) bringNext();
        const successes = answers.filter(({ isSuccess }) => isSuccess).toSorted(newestFirst);
        if (successes.length < ack) {
          assert.deepEqual(ends, answers.length - successes.length > from - ack ? [FAILED] : []);
          return;
        }
        assert.equal(ends.length, 1);
        const [end] = ends;
        assert.ok(successes.some((answer) => newestFirst(answer, end) === 0));
        // Which of them came first is anybody's guess; the freshest of any `ack` is at least the `ack`-th oldest.
        assert.ok(newestFirst(end, successes.at(-ack)!) <= 0);
      }),
      { numRuns: 1_000 },
    );
  });

  test(`${way}: two threads at the same requests decide each once, and count every answer`, async () => {
    const { answers, nsPerAnswer, retries } = await measureContended(way, 'rising', 32, 2, 400_000);
    assert.ok(answers >= 400_000 && answers % 32 === 0);
    assert.ok(nsPerAnswer > 0 && retries >= 0);
    if (way === 'slots') assert.equal(retries, 0);
  });
}

test('a quick run prints both tables and writes their rows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-accumulator-'));
  try {
    const file = join(folder, 'rows.json');
    const args = [RUN, '--quick', '--rounds', '1', '--json', file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const rows = benchRowsOf(JSON.parse(readFileSync(file, 'utf8')), 'bench:accumulator');
    assert.equal(rows.length, (1 + THREADS.length) * REPLICAS.length * VERSIONS.length);
    const names = rows.map((row) =>
      Object.values(row)
        .filter((value) => typeof value === 'string')
        .join('.'),
    );
    assert.equal(new Set(names).size, rows.length, 'its texts name a row');
    assert.ok(names.includes('own.1.one.3') && names.includes('shared.2.rising.32'));
    for (const { arrivalNs, slotsNs } of rows) assert.ok(Number(arrivalNs) > 0 && Number(slotsNs) > 0);
    assert.equal(stdout.split('\n').filter((line) => /^\d +(one|rising) /.test(line)).length, rows.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
