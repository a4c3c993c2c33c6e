/**
 * A process that runs one script after another, as `WarmCommands` tells it: the first argument is the script's file. A
 * module that is imported under another name runs again, while all that it imports is loaded already.
 */
import { pathToFileURL } from 'node:url';
import { writeOutput } from '../../src/cli/output.ts';
import type { CommandRequest } from './warm-commands.ts';

const STDERR = 2;

/** Thrown where a script would end its process. */
class ScriptEnd {
  readonly exitCode: number;

  constructor(exitCode: number) {
    this.exitCode = exitCode;
  }
}

const endProcess = process.exit;
let runs = 0;
process.on('message', (request: CommandRequest) => void run(request));
process.on('disconnect', () => endProcess());

async function run({ args, mark }: CommandRequest): Promise<void> {
  const [file, ...flags] = args;
  process.argv = [process.execPath, file, ...flags];
  process.exit = (code) => {
    throw new ScriptEnd(Number(code ?? 0));
  };
  let exitCode = 0;
  try {
    await import(`${pathToFileURL(file)}?run=${++runs}`);
  } catch (error) {
    // What else a script throws ends this process, and with it the test.
    if (!(error instanceof ScriptEnd)) throw error;
    exitCode = error.exitCode;
  }
  await writeOutput(mark);
  await writeOutput(mark, STDERR);
  process.send?.(exitCode);
}
