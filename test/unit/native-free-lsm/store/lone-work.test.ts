/** Who has the turn, and in which order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LoneWork } from '../../../../native-free-lsm/store/lone-work.ts';

class Lone {
  isBarred = false;
  fault: Error | undefined;
  onEnd: () => void = () => undefined;
  readonly began: string[] = [];
  readonly work = new LoneWork({
    check: () => {
      if (this.fault !== undefined) throw this.fault;
    },
    isBarred: () => this.isBarred,
    onEnd: () => {
      this.work.look();
      this.onEnd();
    },
  });

  /** Begins when it has the turn, and ends when it is told to. */
  run(name: string): { readonly done: Promise<void>; readonly end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = this.work.run(async (quiet) => {
      this.began.push(name);
      await quiet();
      await promise;
    });
    return { done, end: resolve };
  }
}

test('work has its turn in the order in which it came, also before what comes while a turn ends', async () => {
  const lone = new Lone();
  const [first, second] = [lone.run('first'), lone.run('second')];
  const later: ReturnType<Lone['run']>[] = [];
  // Nobody has the turn just then, and who waits for it could not go on yet.
  lone.onEnd = () => {
    if (later.length === 0) later.push(lone.run('late'));
  };
  first.end();
  second.end();
  await Promise.all([first.done, second.done]);
  later[0].end();
  await later[0].done;
  assert.deepEqual(lone.began, ['first', 'second', 'late']);
  assert.deepEqual([lone.work.isDue, lone.work.isRunning, lone.work.isQuiet], [false, false, false]);
});

test('what bars it holds up all of it, and a fault ends all that waits', async () => {
  const lone = new Lone();
  lone.isBarred = true;
  const waiting = [lone.run('one'), lone.run('two')];
  await turn();
  assert.deepEqual([lone.began, lone.work.isDue, lone.work.isRunning], [[], true, false]);
  lone.isBarred = false;
  lone.work.look();
  await turn();
  assert.deepEqual([lone.began, lone.work.isQuiet], [['one'], true]);
  const three = lone.run('three');
  lone.fault = new Error('closed');
  waiting[0].end();
  await waiting[0].done;
  await assert.rejects(waiting[1].done, /closed/);
  await assert.rejects(three.done, /closed/);
  assert.equal(lone.work.isDue, false);
});
