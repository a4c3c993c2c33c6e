import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReaderProgress } from '../../../../src/http/reader-progress.ts';

const LIMITS = { timeoutMs: 10_000, minBytesPerSecond: 8000 };
const TICK_MS = 250;

/** When it was found too slow, null when it never was; `takenAt` and `acknowledgedAt` say how much in all. */
function cutAtMs(
  takenAt: (ms: number) => number,
  acknowledgedAt: ((ms: number) => number) | null = null,
  endMs = 3_600_000,
): number | null {
  const progress = new ReaderProgress(LIMITS, takenAt(0));
  for (let ms = TICK_MS; ms <= endMs; ms += TICK_MS) {
    progress.noteTaken(TICK_MS, takenAt(ms));
    if (progress.isTooSlow) return ms;
    if (progress.isInDoubt && acknowledgedAt !== null) progress.noteAcknowledged(acknowledgedAt(ms));
  }
  return null;
}

test('a reader that takes nothing, or stops, is too slow when the time has passed, and not before', () => {
  const nothing = (): number => 77;
  assert.equal(cutAtMs(nothing), 10_000);
  assert.equal(cutAtMs(nothing, nothing), 10_000);
  const stops = (ms: number): number => 1_000_000 * Math.min(ms, 5000);
  assert.equal(cutAtMs(stops), 15_000);
  assert.equal(cutAtMs(stops, stops), 15_000);
});

test('above the least rate it is never too slow, below it the sooner the slower it is', () => {
  const at = (bytesPerSecond: number) => (ms: number) => Math.floor((bytesPerSecond * ms) / 1000);
  for (const rate of [8001, 20_000, 50_000, 1e9]) assert.equal(cutAtMs(at(rate)), null);
  const cuts = [7500, 6000, 4000, 100].map((rate) => cutAtMs(at(rate)) ?? Number.POSITIVE_INFINITY);
  assert.deepEqual(
    cuts,
    cuts.toSorted((a, b) => b - a),
  );
  assert.equal(cuts[2], 20_000);
  assert.ok(cuts[0] < 200_000);
});

test('a kernel that takes nothing for a minute does not hide a steady reader, nor make one of a dead one', () => {
  const kernelBytes = 1_300_000;
  const acknowledged = (ms: number): number => Math.floor((20_000 * ms) / 1000 / 95_000) * 95_000;
  const taken = (ms: number): number => (Math.floor(acknowledged(ms) / kernelBytes) + 3) * kernelBytes;
  assert.equal(cutAtMs(taken, acknowledged), null);
  assert.equal(cutAtMs(taken), 10_000);
  const dies = (ms: number): number => acknowledged(Math.min(ms, 100_000));
  const cut = cutAtMs((ms) => taken(Math.min(ms, 100_000)), dies) ?? Number.POSITIVE_INFINITY;
  // Its last bytes came at 99.75 s.
  assert.ok(cut >= 109_000 && cut <= 110_000, `${cut}`);
});

test('bytes that were acknowledged before there was doubt buy no time, and time in which the node does not wait costs none', () => {
  const progress = new ReaderProgress(LIMITS, 0);
  progress.noteTaken(9000, 0);
  progress.noteAcknowledged(1_000_000_000);
  progress.noteTaken(0, 0);
  assert.equal(progress.isTooSlow, false);
  progress.noteTaken(1000, 0);
  assert.equal(progress.isTooSlow, true);
});

test('it is never found too slow before it has taken too little for the whole time, whatever came before', () => {
  const step = fc.record({ waitedMs: fc.nat(1000), bytes: fc.nat(20_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const progress = new ReaderProgress(LIMITS, 0);
      let taken = 0;
      const notes: { waitedMs: number; bytes: number }[] = [];
      for (const { waitedMs, bytes } of steps) {
        taken += bytes;
        notes.push({ waitedMs, bytes });
        progress.noteTaken(waitedMs, taken);
        if (!progress.isTooSlow) continue;
        // Some stretch that ends now took as long, all that was bought in it included.
        let waited = 0;
        let bought = 0;
        const isOwed = notes.toReversed().some((note) => {
          waited += note.waitedMs;
          bought += (note.bytes * 1000) / LIMITS.minBytesPerSecond;
          return waited - bought >= LIMITS.timeoutMs - 1e-6;
        });
        assert.ok(isOwed);
        return;
      }
    }),
  );
});
