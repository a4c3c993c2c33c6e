import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateCommand } from '../../../../../src/cli/simulate/simulate.ts';

test('flags that would change nothing, or name nothing, are refused before anything runs', async () => {
  const wrong: readonly [readonly string[], RegExp][] = [
    [['--seed', '17', '--seeds', '3'], /--seeds has no meaning with --seed/],
    [['--seed', '17', '--first-seed', '3'], /--first-seed has no meaning with --seed/],
    [['--seed', '17', '--minutes', '3'], /--minutes has no meaning with --seed/],
    [['--seed', '17', '--threads', '3'], /--threads has no meaning with --seed/],
    [
      ['--seed', '17', '--only', 'r1,zz'],
      /--only names "zz", which seed 17 does not have: it has \d+ requests/,
    ],
    [['--only', 'r1'], /--trace and --only need --seed/],
    [['--trace'], /--trace and --only need --seed/],
  ];
  for (const [args, sentence] of wrong) {
    const command = simulateCommand().exitOverride();
    await assert.rejects(command.parseAsync(args, { from: 'user' }), sentence, args.join(' '));
  }
});
