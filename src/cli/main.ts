/**
 * The command line: one file per command, loaded only when that command is asked for, because loading is most of
 * a short command's run time.
 */
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { CommandError, ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: 'start a cluster on this machine, or one node of a real cluster',
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  status: {
    summary: 'show how the nodes of a cluster are',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  get: {
    summary: 'write the value of a key to stdout',
    load: async () => (await import('./get.ts')).getCommand(),
  },
  put: {
    summary: 'store a value from an argument, a file or stdin',
    load: async () => (await import('./put.ts')).putCommand(),
  },
  delete: {
    summary: 'delete a key',
    load: async () => (await import('./delete.ts')).deleteCommand(),
  },
  range: {
    summary: 'list the entries a node holds, in key order',
    load: async () => (await import('./range.ts')).rangeCommand(),
  },
  fill: {
    summary: 'build test data straight into the folders of a stopped cluster',
    load: async () => (await import('./fill.ts')).fillCommand(),
  },
  lsm: {
    summary: 'look into, check, compact or repair the data folder of a stopped node',
    load: async () => (await import('./lsm.ts')).lsmCommand(),
  },
  'declare-whole': {
    summary: 'declare that an emptied node counts for reads again',
    load: async () => (await import('./declare-whole.ts')).declareWholeCommand(),
  },
};

const PROGRAM_NAME = 'node cli.ts';

/** Ends when the command has ended; says what went wrong on stderr. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  // A reader that has seen enough (`| head`) is no fault; who must know is told by the write itself.
  process.stdout.on('error', () => undefined);
  try {
    const program = await programFor(argv);
    await program.parseAsync(argv, { from: 'user' });
    return ExitCode.ok;
  } catch (error) {
    return reportFailure(error, argv);
  }
}

async function programFor(argv: readonly string[]): Promise<Command> {
  const program = new Command(PROGRAM_NAME)
    .description('Quorate, a replicated key-value store in which every request chooses its own quorum.')
    .version(manifest.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help; every command has its own')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    // The sentence is printed where all failures are.
    .configureOutput({ outputError: () => undefined });
  const wanted = argv[0] === 'help' ? argv[1] : argv[0];
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const command = name === wanted ? await entry.load() : new Command(name);
    program.addCommand(command.summary(entry.summary).copyInheritedSettings(program));
    for (const nested of command.commands) nested.copyInheritedSettings(command);
  }
  return program;
}

function reportFailure(error: unknown, argv: readonly string[]): ExitCode {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === 'commander.help') {
      return error.exitCode === 0 ? ExitCode.ok : ExitCode.error;
    }
    const command = Object.hasOwn(COMMANDS, argv[0] ?? '') ? `${PROGRAM_NAME} ${argv[0]}` : PROGRAM_NAME;
    const fault = error.message
      .replace(/^error: /, '')
      .replaceAll('\n', ' ')
      .replace(/\.$/, '');
    console.error(`quorate: ${fault}: see \`${command} --help\``);
    return ExitCode.error;
  }
  console.error(`quorate: ${describeFailure(error)}`);
  return error instanceof CommandError ? error.exitCode : ExitCode.error;
}
