/**
 * A process that has loaded the command line and runs one command after another, as `CommandProcess` in
 * `warm-commands.ts` tells it. Each ends with a mark on stdout and stderr, so that their outputs are told apart.
 */
import { main } from '../../src/cli/main.ts';
import { writeOutput } from '../../src/cli/output.ts';
import type { CommandRequest } from './warm-commands.ts';

const STDERR = 2;

// Each command listens to stderr once, and a process that runs one never comes to many.
process.stderr.setMaxListeners(0);
process.on('message', (request: CommandRequest) => void run(request));
process.on('disconnect', () => process.exit());

async function run({ args, isStdoutMarked, mark }: CommandRequest): Promise<void> {
  const exitCode = await main(args);
  process.exitCode = 0;
  if (isStdoutMarked) await writeOutput(mark);
  await writeOutput(mark, STDERR);
  process.send?.(exitCode);
}
