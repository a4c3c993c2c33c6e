/**
 * Runs commands of the product and scripts of the benchmarks, as a user would: a process each, with its result as a JSON
 * file. It keeps the command lines, because they stand beside the figures.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietEnvironment } from '../../test/support/run-cli.ts';
import { endBound, spawnBound } from '../support/bound-child.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Of what a command that failed has said. */
const LAST_LINES = 4;
/** What stands for paths and ports, which differ each time. */
const RESULT_FILE = 'RESULT.json';

export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export class Program {
  readonly #commands = new Set<string>();
  readonly #names: (readonly [path: string, name: string])[] = [];
  readonly #signal: AbortSignal;

  /** @param signal its abort ends what is running */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Those that were run, each once, in their order. */
  get commands(): string[] {
    return [...this.#commands];
  }

  /** How a path or port is called in `commands`. */
  call(path: string, name: string): void {
    this.#names.push([path, name]);
  }

  /** Keeps the command line of something that another starts. */
  note(args: readonly string[]): void {
    this.#commands.add(this.#readable(['node', ...args].join(' ')));
  }

  /** @param args what follows `node`, with a file of the project first: `['cli.ts', 'fill', …]` */
  async run(args: readonly string[]): Promise<string> {
    this.note(args);
    const { code, output } = await this.#spawn(args);
    if (code !== 0) throw failure(args, code, output);
    return output;
  }

  /**
   * Adds `--json FILE` and returns what was written there. A command may end with 1 and have written it all the same: a
   * load that is not valid, or a benchmark that misses a bound; then the result says so.
   */
  async runForJson(args: readonly string[]): Promise<unknown> {
    return await this.#runForJson(args, ['node', ...args].join(' '));
  }

  /**
   * The same for a benchmark, by its name in package.json.
   * @throws Error with a sentence when there is none of that name
   */
  async runScriptForJson(script: string, flags: readonly string[]): Promise<unknown> {
    const file = scriptFile(script);
    return await this.#runForJson([file, ...flags], `npm run ${[script, '--', ...flags].join(' ')}`);
  }

  /**
   * Runs a command that writes `file`, and returns what is in it. It may end with 1 all the same.
   */
  async runForFile(args: readonly string[], file: string): Promise<unknown> {
    this.note(args);
    return await this.#runForFile(args, file);
  }

  async #runForJson(args: readonly string[], shown: string): Promise<unknown> {
    const directory = mkdtempSync(join(tmpdir(), 'quorate-report-'));
    const file = join(directory, RESULT_FILE);
    try {
      this.#commands.add(this.#readable(`${shown} --json ${RESULT_FILE}`));
      return await this.#runForFile([...args, '--json', file], file);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #runForFile(args: readonly string[], file: string): Promise<unknown> {
    const { code, output } = await this.#spawn(args);
    const text = code === 0 || code === 1 ? contentOf(file) : undefined;
    if (text === undefined) throw failure(args, code, output);
    return JSON.parse(text);
  }

  async #spawn(args: readonly string[]): Promise<{ code: number | null; output: string }> {
    this.#signal.throwIfAborted();
    const child = spawnBound(process.execPath, args, {
      cwd: ROOT,
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own ends as a whole.
      detached: true,
    });
    const end = (): void => void endBound(child);
    this.#signal.addEventListener('abort', end, { once: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    try {
      const { promise, resolve, reject } = Promise.withResolvers<number | null>();
      child.once('error', reject);
      child.once('close', resolve);
      const code = await promise;
      this.#signal.throwIfAborted();
      return { code, output };
    } finally {
      this.#signal.removeEventListener('abort', end);
    }
  }

  #readable(text: string): string {
    return this.#names.reduce((sum, [path, name]) => sum.replaceAll(path, name), text);
  }
}

function scriptFile(name: string): string {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>;
  };
  const file = /^node (\S+\.ts)$/.exec(scripts[name] ?? '')?.[1];
  if (file === undefined) throw new Error(`package.json has no script ${name} that is a file of ours`);
  return file;
}

function failure(args: readonly string[], code: number | null, output: string): CommandFailed {
  const said = output.trim().split('\n').slice(-LAST_LINES).join('\n');
  return new CommandFailed(`node ${args.slice(0, 2).join(' ')} ended with ${code ?? 'a signal'}: ${said}`);
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
