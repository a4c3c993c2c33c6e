import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { speedscopeWaits } from '../../../../../../src/cli/profile/view/speedscope.ts';
import { threadFiles } from '../../../../../support/profile-by-hand.ts';

const wait = (path: readonly string[], isIdle: boolean, totalMs: number) => ({
  path,
  isIdle,
  count: 1,
  totalMs,
  buckets: [1],
});

test('a node’s waits are a file that speedscope reads: a profile a thread, its stacks as indexes of shared frames', () => {
  const file = speedscopeWaits({
    name: 'node-1',
    threads: [
      threadFiles('writer', {
        waits: [wait(['disk', 'sync'], false, 20), wait(['ring', 'empty'], true, 100)],
      }),
      threadFiles('reader-1', { waits: [] }),
      threadFiles('main', { waits: [wait(['disk', 'read'], false, 5)] }),
      threadFiles('background-1', {}),
    ],
  });
  assert.ok(file !== undefined);
  const { resolve } = createRequire(import.meta.url);
  const schema = readFileSync(resolve('speedscope/dist/release/file-format-schema.json'), 'utf8');
  const validate = new Ajv({ strict: false }).compile(JSON.parse(schema));
  assert.ok(validate(JSON.parse(JSON.stringify(file))), JSON.stringify(validate.errors));
  assert.ok(
    !validate({ ...file, profiles: [{ ...file.profiles[0], weights: ['20'] }] }),
    'the schema says something',
  );
  assert.equal(file.$schema, 'https://www.speedscope.app/file-format-schema.json');
  assert.equal(file.activeProfileIndex, 0);
  const names = file.shared.frames.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    file.profiles.map(({ endValue, name, startValue, type, unit }) => [
      type,
      name,
      unit,
      startValue,
      endValue,
    ]),
    [
      ['sampled', 'node-1 writer', 'milliseconds', 0, 120],
      ['sampled', 'node-1 main', 'milliseconds', 0, 5],
    ],
  );
  assert.deepEqual(
    file.profiles.map(({ samples, weights }) =>
      samples.map((stack, i) => `${stack.map((index) => names[index]).join(' > ')} ${weights[i]}`),
    ),
    [['disk > sync 20', 'idle > ring > empty 100'], ['disk > read 5']],
  );
});

test('without waits there is no file, because speedscope opens none without a profile', () => {
  assert.equal(speedscopeWaits({ name: 'node-1', threads: [threadFiles('main', {})] }), undefined);
});
