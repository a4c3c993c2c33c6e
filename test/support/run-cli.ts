/** Runs the command line to its end and returns what it wrote. */
import { spawn } from 'node:child_process';
import { buffer, text } from 'node:stream/consumers';
import { program as testedProgram } from './process-paths.ts';

export interface CliRun {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  /** Left out: stdin ends at once. */
  readonly input?: Uint8Array | string;
  /**
   * Added to the environment of this process, without the QUORATE_ variables of the user who runs the tests; undefined
   * takes a variable away.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The Node that runs it; this one when left out. */
  readonly node?: string;
  /** Another one than `program` in process-paths.ts. */
  readonly program?: string;
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const { input = '', environment, node = process.execPath, program = testedProgram } = options;
  const child = spawn(node, [program, ...args], { env: { ...quietEnvironment(), ...environment } });
  // A command that does not read its input may close it first.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
  child.on('close', (exitCode, signal) => resolve([exitCode, signal]));
  child.on('error', reject);
  const [stdout, stderr, [exitCode, signal]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    promise,
  ]);
  return { exitCode, signal, stdout, stderr };
}

/**
 * Node's own settings that would change how a command runs. Where the tests keep compiled code, so do the commands they
 * run: Node heeds that from the first file on, which is a third of the CPU time of a short command.
 */
const NODE_SETTINGS = ['NODE_TEST_CONTEXT', 'NODE_OPTIONS'];

/** The environment of this process, without what would change a command's settings or a test runner's child. */
export function quietEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('QUORATE_') && !NODE_SETTINGS.includes(name),
  );
  return Object.fromEntries(entries);
}
