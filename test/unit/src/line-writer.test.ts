import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { LineWriter, MAX_WAITING_BYTES, type WriteCall } from '../../../src/line-writer.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { until } from '../../support/until.ts';

const describeLost = (lines: number): string => `lost ${lines}\n`;
const FD = 4711;

/** Stands in for the system: takes, refuses or keeps waiting whatever the test says. */
class Sink {
  readonly clock = new FakeClock();
  taken = '';
  /** How the next writes end: a code, or how many bytes are taken; all of them when there is nothing left here. */
  readonly answers: (string | number)[] = [];
  /** While true writes stay under way. */
  stalls = false;
  #stalled: (() => void) | null = null;
  readonly writer: LineWriter;

  constructor() {
    this.writer = new LineWriter(FD, { clock: this.clock, describeLost, write: this.#write });
  }

  goOn(): void {
    this.stalls = false;
    this.#stalled?.();
  }

  readonly #write: WriteCall = (_fd, bytes, offset, length, callback) => {
    const end = (): void => {
      const answer = this.answers.shift();
      if (typeof answer === 'string') {
        callback(Object.assign(new Error(answer), { code: answer }), 0);
        return;
      }
      const writtenBytes = Math.min(answer ?? length, length);
      this.taken += Buffer.from(bytes.subarray(offset, offset + writtenBytes)).toString();
      callback(null, writtenBytes);
    };
    if (this.stalls) this.#stalled = end;
    else end();
  };
}

describe('a line writer', () => {
  it('writes what it is given, in order, also when the system takes it in pieces', () => {
    const sink = new Sink();
    sink.answers.push(2, 1);
    sink.writer.write('first\n');
    sink.writer.write('second\n');
    assert.equal(sink.taken, 'first\nsecond\n');
  });

  for (const [what, code, pauseMs] of [
    ['a full pipe', 'EAGAIN', 50],
    ['a full disk', 'ENOSPC', 500],
    ['a disk that fails', 'EIO', 500],
  ] as const) {
    it(`keeps lines for later over ${what}`, () => {
      const sink = new Sink();
      sink.answers.push(code, code);
      sink.writer.write('a\n');
      sink.writer.write('b\n');
      assert.equal(sink.taken, '');
      sink.clock.advance(pauseMs);
      assert.equal(sink.taken, '');
      sink.clock.advance(pauseMs);
      assert.equal(sink.taken, 'a\nb\n');
    });
  }

  it('never waits for a reader that stalls, keeps a bounded number of lines for it, and says how many were lost', () => {
    const sink = new Sink();
    sink.stalls = true;
    const line = `${'x'.repeat(1023)}\n`;
    const lines = MAX_WAITING_BYTES / line.length;
    // One is being written, as many as fit wait, and five do not.
    for (let i = 0; i < 1 + lines + 5; i++) sink.writer.write(line);
    sink.goOn();
    assert.equal(sink.taken.length, (1 + lines) * line.length + 'lost 5\n'.length);
    assert.ok(sink.taken.endsWith('\nlost 5\n'));
    sink.writer.write('after\n');
    assert.ok(sink.taken.endsWith('lost 5\nafter\n'));
  });

  it('drops everything once nobody can read it any more', () => {
    const sink = new Sink();
    sink.answers.push('EPIPE');
    sink.writer.write('a\n');
    sink.writer.write('b\n');
    sink.clock.advance(10_000);
    assert.equal(sink.taken, '');
    assert.equal(sink.clock.pendingTimers, 0);
  });

  it('flushes for as long as it is told, and no longer', async () => {
    const sink = new Sink();
    await sink.writer.flush(100);
    sink.stalls = true;
    sink.writer.write('a\n');
    let flushed = false;
    const flushing = sink.writer.flush(100).then(() => {
      flushed = true;
    });
    sink.clock.advance(99);
    await Promise.resolve();
    assert.equal(flushed, false);
    sink.clock.advance(1);
    await flushing;
    sink.goOn();
    sink.writer.write('b\n');
    await sink.writer.flush(100);
    assert.equal(sink.taken, 'a\nb\n');
  });
});

describe('a line writer over the system', () => {
  it('loses nothing at the end of a process that takes its last words at once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-lines-'));
    const file = join(folder, 'log');
    const fd = openSync(file, 'w');
    const writer = new LineWriter(fd, { clock: systemClock, describeLost });
    try {
      writer.write('first\n');
      await writer.flush(10_000);
      // Nothing is under way: both are written before the call returns.
      writer.write('second\n');
      writer.write('third\n');
      await writer.flush(10_000);
      writer.flushSync();
      assert.equal(readFileSync(file, 'utf8'), 'first\nsecond\nthird\n');
    } finally {
      writer[Symbol.dispose]();
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  });

  it('holds no thread of the pool over a pipe that nobody reads', {
    skip: process.platform !== 'linux',
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-lines-'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // Opened for both, so that it opens at once; blocking, as a shell hands a pipe over.
    const fd = openSync(pipe, constants.O_RDWR);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = new LineWriter(fd, { clock: systemClock, describeLost });
    try {
      const line = `${'y'.repeat(99)}\n`;
      for (let i = 0; i < 4_000; i++) writer.write(line);
      writer.flushSync();
      const bytes = Buffer.alloc(1024 * 1024);
      let read = 0;
      await until(
        () => {
          try {
            read += readSync(reader, bytes, 0, bytes.length, null);
          } catch (error) {
            assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
          }
          return read > 0;
        },
        10_000,
        () => 'nothing came through the pipe',
      );
      assert.ok(read <= 400_000);
    } finally {
      writer[Symbol.dispose]();
      closeSync(fd);
      closeSync(reader);
      rmSync(folder, { recursive: true });
    }
  });
});
