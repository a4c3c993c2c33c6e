import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DataFolder } from '../../../../bench/report/data-folder.ts';
import { runSteps } from '../../../../bench/report/runner.ts';
import { scaleOf } from '../../../../bench/report/scale.ts';
import type { Step, StepContext } from '../../../../bench/report/step.ts';
import { WorkFolder } from '../../../../bench/report/work-folder.ts';

describe('a run of steps', () => {
  let directory: string;
  let work: WorkFolder;
  let told: string[];
  let ran: string[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-report-test-'));
    work = new WorkFolder(join(directory, 'work'));
    told = [];
    ran = [];
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function step(name: string, run: (context: StepContext) => unknown, needs: readonly string[] = []): Step {
    return {
      name,
      title: `does ${name}`,
      budgetSeconds: 10,
      needs,
      run: async (context) => {
        ran.push(name);
        return await run(context);
      },
    };
  }

  async function run(steps: readonly Step[], signal = new AbortController().signal): Promise<string[]> {
    using data = new DataFolder(join(directory, 'data'));
    return await runSteps({
      steps,
      scale: scaleOf('tiny'),
      work,
      data,
      commit: 'c0ffee',
      signal,
      tell: (line) => told.push(line),
    });
  }

  test('keeps what each has brought, and hands it to those after it', async () => {
    const steps = [
      step('a', () => ({ rate: 5 })),
      step('b', ({ resultOf }) => ({ doubled: 2 * (resultOf<{ rate: number }>('a')?.rate ?? 0) }), ['a']),
    ];
    assert.deepEqual(await run(steps), []);
    const record = work.read('b');
    assert.ok(record?.state === 'done');
    assert.deepEqual(record.result, { doubled: 10 });
    assert.equal(record.commit, 'c0ffee');
    assert.equal(told[0], '2 steps to do, about 0:20');
    assert.equal(told[1], 'step 1 of 2, 0:00 gone, about 0:20 left: a: does a');
  });

  test('goes on where the one before stopped', async () => {
    const abort = new AbortController();
    const steps = (interrupt: boolean): Step[] => [
      step('a', () => 1),
      step('b', () => {
        if (interrupt) abort.abort(new Error('interrupted'));
        return 2;
      }),
      step('c', () => 3),
    ];
    await assert.rejects(run(steps(true), abort.signal), { message: 'interrupted' });
    assert.deepEqual(ran, ['a', 'b']);
    ran = [];
    assert.deepEqual(await run(steps(false)), []);
    assert.deepEqual(ran, ['c']);
    assert.ok(told.includes('2 of 3 steps were done before'));
  });

  test('goes on after a step that failed, says so, and tries it again the next time', async () => {
    let works = false;
    const steps = [
      step('a', () => {
        if (!works) throw new Error('the disk is full');
        return 1;
      }),
      step('b', () => 2, ['a']),
      step('c', () => 3),
    ];
    assert.deepEqual(await run(steps), ['a', 'b']);
    assert.deepEqual(ran, ['a', 'c']);
    assert.ok(told.some((line) => /FAILED after 0:0\d: the disk is full/.test(line)));
    assert.ok(told.some((line) => line.endsWith('it needs a, which failed')));
    works = true;
    ran = [];
    assert.deepEqual(await run(steps), []);
    assert.deepEqual(ran, ['a', 'b']);
  });

  test('a step that is done again finds nothing of its last try', async () => {
    const file = 'profile.json';
    let fails = true;
    const steps = [
      step('a', ({ folder }) => {
        assert.ok(!existsSync(join(folder, file)));
        writeFileSync(join(folder, file), 'x');
        if (fails) throw new Error('no');
      }),
    ];
    assert.deepEqual(await run(steps), ['a']);
    fails = false;
    assert.deepEqual(await run(steps), []);
  });

  test('a record that was cut in the middle counts as none', async () => {
    const steps = [step('a', () => ({ rate: 5 }))];
    await run(steps);
    const path = join(work.path, 'a.json');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -10));
    ran = [];
    assert.deepEqual(await run(steps), []);
    assert.deepEqual(ran, ['a']);
  });

  test('a work folder that is cleared forgets everything', async () => {
    await run([step('a', () => 1)]);
    work.clear();
    assert.equal(work.read('a'), undefined);
  });

  test('a command that hangs ends with its run', async () => {
    const abort = new AbortController();
    const steps = [
      step('a', async ({ program }) => {
        const hanging = program.run(['-e', 'setInterval(() => undefined, 1000)']);
        abort.abort(new Error('interrupted'));
        await hanging;
      }),
    ];
    await assert.rejects(run(steps, abort.signal), { message: 'interrupted' });
    assert.equal(work.read('a'), undefined);
  });

  test('a command that fails is told with what it said', async () => {
    const steps = [
      step(
        'a',
        async ({ program }) => await program.run(['-e', 'console.error("no room"); process.exit(3)']),
      ),
    ];
    assert.deepEqual(await run(steps), ['a']);
    const record = work.read('a');
    assert.ok(record?.state === 'failed');
    assert.equal(record.error, 'node -e console.error("no room"); process.exit(3) ended with 3: no room');
    assert.deepEqual(record.commands, ['node -e console.error("no room"); process.exit(3)']);
  });
});
