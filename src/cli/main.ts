/**
 * The command line. There is one file per command, and it is loaded only when that command is called, because loading
 * is most of the run time of a short command.
 */

import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock.ts';
import { PROGRAM } from '../program.ts';
import { CommandError, ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { holdProcess } from './hold-process.ts';
import { exitCodeOfSignal, Interrupted } from './interrupted.ts';
import { openMessageWriter, STDERR } from './messages.ts';
import { OutputClosed, writeOutput } from './output.ts';

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: 'start a cluster on this machine, or one node of a real cluster',
    load: async () => (await import('./serve/serve.ts')).serveCommand(),
  },
  status: {
    summary: 'show how the nodes of a cluster are',
    load: async () => (await import('./client/status.ts')).statusCommand(),
  },
  get: {
    summary: 'write the value of a key to stdout',
    load: async () => (await import('./client/get.ts')).getCommand(),
  },
  put: {
    summary: 'store a value from an argument, a file or stdin',
    load: async () => (await import('./client/put.ts')).putCommand(),
  },
  delete: {
    summary: 'delete a key',
    load: async () => (await import('./client/delete.ts')).deleteCommand(),
  },
  range: {
    summary: 'list the entries a node holds, in key order',
    load: async () => (await import('./client/range.ts')).rangeCommand(),
  },
  repair: {
    summary: 'bring all owners of slots to the same versions, and settle them',
    load: async () => (await import('./client/repair.ts')).repairCommand(),
  },
  fill: {
    summary: 'build test data straight into the folders of a stopped cluster',
    load: async () => (await import('./fill/fill.ts')).fillCommand(),
  },
  load: {
    summary: 'send many requests to a cluster, and tell how long the answers took',
    load: async () => (await import('./load/load.ts')).loadCommand(),
  },
  profile: {
    summary: 'show what the nodes of a cluster do under load: CPU, allocations, waits',
    load: async () => (await import('./profile/profile.ts')).profileCommand(),
  },
  simulate: {
    summary: 'run clusters in simulated worlds full of faults, and check what is promised',
    load: async () => (await import('./simulate/simulate.ts')).simulateCommand(),
  },
  lsm: {
    summary: 'look into, check, compact or repair the data folder of a node',
    load: async () => (await import('./lsm/lsm.ts')).lsmCommand(),
  },
  'declare-whole': {
    summary: 'declare that an emptied node counts for reads again',
    load: async () => (await import('./data/declare-whole.ts')).declareWholeCommand(),
  },
};

/** How long the process waits at its end for a reader of stderr that stalls. */
const PATIENCE_MS = 1_000;

/** Runs the command, and says on stderr what went wrong. */
export async function main(argv: readonly string[]): Promise<number> {
  // Progress and warnings may be lost where they cannot be written; results may not: output.ts.
  process.stderr.on('error', () => undefined);
  const help = { stdout: '', stderr: '', command: PROGRAM };
  try {
    const failure = await run(argv, help);
    if (help.stdout !== '') await writeOutput(help.stdout);
    if (help.stderr !== '') await say(help.stderr);
    if (failure !== undefined) throw failure;
    return ExitCode.ok;
  } catch (error) {
    return await reportFailure(error, help.command);
  }
}

interface Help {
  stdout: string;
  stderr: string;
  /** The command that was named, whose help tells more. */
  command: string;
}

/** @returns the failure of the command, if it failed */
async function run(argv: readonly string[], help: Help): Promise<unknown> {
  try {
    const program = await programFor(argv, help);
    await program.parseAsync(argv, { from: 'user' });
    return undefined;
  } catch (error) {
    return error;
  }
}

async function programFor(argv: readonly string[], help: Help): Promise<Command> {
  const program = new Command(PROGRAM)
    .description('Quorate, a replicated key-value store in which every request chooses its own quorum.')
    .version(manifest.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help; every command has its own')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    // The sentence is printed where all failures are printed.
    .configureOutput({
      outputError: () => undefined,
      writeOut: (text) => {
        help.stdout += text;
      },
      writeErr: (text) => {
        help.stderr += text;
      },
    });
  const wanted = argv[0] === 'help' ? argv[1] : argv[0];
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const command = name === wanted ? await entry.load() : new Command(name);
    program.addCommand(command.summary(entry.summary).copyInheritedSettings(program));
    for (const nested of command.commands) nested.copyInheritedSettings(command);
  }
  help.command = namedBy(argv, program);
  return program;
}

/** The command that the first words name, of a family of commands the one within it. */
function namedBy(argv: readonly string[], program: Command): string {
  const names = [PROGRAM];
  let command: Command | undefined = program;
  for (const word of argv) {
    command = command.commands.find((one) => one.name() === word);
    if (command === undefined) break;
    names.push(word);
  }
  return names.join(' ');
}

async function reportFailure(error: unknown, command: string): Promise<number> {
  if (error instanceof OutputClosed) return ExitCode.ok;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === 'commander.help') {
      return error.exitCode === 0 ? ExitCode.ok : ExitCode.error;
    }
    const fault = error.message
      .replace(/^error: /, '')
      .replaceAll('\n', ' ')
      .replace(/\.$/, '');
    await say(`quorate: ${fault}: see \`${command} --help\`\n`);
    return ExitCode.error;
  }
  const exitCode = exitCodeOf(error);
  // Set it now, in case this process ends while it waits for a reader.
  process.exitCode = exitCode;
  await say(`quorate: ${describeFailure(error)}\n`);
  return exitCode;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodeOfSignal(error.signal);
  return error instanceof CommandError ? error.exitCode : ExitCode.error;
}

/** Writes to stderr as much as it takes within a moment. */
async function say(text: string): Promise<void> {
  using _alive = holdProcess();
  using writer = openMessageWriter(STDERR, systemClock);
  writer.write(text);
  await writer.flush(PATIENCE_MS);
}
