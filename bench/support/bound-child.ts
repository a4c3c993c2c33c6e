/** Child processes that end with this one, however it ends, except when it is killed. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

interface Bound {
  readonly child: ChildProcess;
  /** Whether the child leads a process group, which ends as a whole. */
  readonly isGroup: boolean;
  readonly closed: Promise<void>;
}

const running = new Set<Bound>();

process.on('exit', () => {
  for (const bound of running) end(bound);
});

/** Like `spawn`. A detached child ends together with everything it has started. */
export function spawnBound(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options);
  const { promise, resolve } = Promise.withResolvers<void>();
  const bound = { child, isGroup: options.detached === true, closed: promise };
  running.add(bound);
  const forget = (): void => {
    running.delete(bound);
    resolve();
  };
  child.once('close', forget);
  child.once('error', forget);
  return child;
}

/** Resolves when the child is gone. */
export async function endBound(child: ChildProcess): Promise<void> {
  for (const bound of running) {
    if (bound.child !== child) continue;
    end(bound);
    await bound.closed;
  }
}

export async function endAllBound(): Promise<void> {
  await Promise.all([...running].map(({ child }) => endBound(child)));
}

function end({ child, isGroup }: Bound): void {
  if (child.pid === undefined) return;
  if (isGroup) process.kill(-child.pid, 'SIGKILL');
  else child.kill('SIGKILL');
}

export interface RunResult {
  /** Standard output and error together, in the order in which they came. */
  readonly output: string;
  readonly code: number | null;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Called with each line when it arrives. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a command to its end.
 * @throws Error that names the command when it does not exist
 */
export async function runBound(
  command: string,
  args: readonly string[],
  { env = process.env, onLine }: RunOptions = {},
): Promise<RunResult> {
  const child = spawnBound(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  let told = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (let at = output.indexOf('\n', told); onLine && at !== -1; at = output.indexOf('\n', told)) {
        onLine(output.slice(told, at));
        told = at + 1;
      }
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', (error) => reject(new Error(`${command} cannot be run`, { cause: error })));
  child.once('close', resolve);
  return { code: await promise, output };
}
