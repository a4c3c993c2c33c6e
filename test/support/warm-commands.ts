/**
 * Runs commands of the command line one after another in one process that has loaded them before: four fifths of the
 * CPU time of a short command is the start of its process. For tests of what commands print and do; how a process
 * starts, takes input, hears signals and ends is for `runCli`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { commandProcess } from './process-paths.ts';
import { type CliRun, quietEnvironment } from './run-cli.ts';

export interface CommandRequest {
  readonly args: readonly string[];
  /** What the process writes to stderr, and to stdout where that is marked, when the command has ended. */
  readonly mark: string;
  readonly isStdoutMarked: boolean;
}

export class WarmCommands implements Disposable {
  readonly #process: ChildProcess;
  /** Null: the commands write to a file of the test's. */
  readonly #stdout: MarkedStream | null;
  readonly #stderr: MarkedStream;
  /** Rejects when the process ends before it is told to. */
  readonly #ended: Promise<never>;
  /** The command before: there is one stdout for all. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param program what to run as the process: it answers each request with the exit code of a command
   * @param stdout a descriptor; what is written to it is not seen here
   * @param environment added to that of this process
   */
  constructor(
    program = commandProcess,
    stdout: number | null = null,
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#process = fork(program, {
      stdio: ['ignore', stdout ?? 'pipe', 'pipe', 'ipc'],
      env: { ...quietEnvironment(), ...environment },
    });
    this.#stdout = stdout === null ? new MarkedStream(this.#process.stdout!) : null;
    this.#stderr = new MarkedStream(this.#process.stderr!);
    this.#ended = new Promise((_, reject) => {
      this.#process.once('exit', (exitCode, signal) =>
        reject(new Error(`the process of the commands ended: ${exitCode ?? signal}`)),
      );
    });
    // Whoever runs a command hears of it.
    this.#ended.catch(() => undefined);
  }

  run(args: readonly string[]): Promise<CliRun> {
    const run = this.#last.then(() => this.#run(args));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #run(args: readonly string[]): Promise<CliRun> {
    const mark = `\0${randomBytes(16).toString('hex')}\0`;
    const outputs = Promise.all([this.#stdout?.until(mark) ?? Buffer.alloc(0), this.#stderr.until(mark)]);
    const answer = new Promise<number>((resolve) => this.#process.once('message', resolve));
    this.#process.send({ args, mark, isStdoutMarked: this.#stdout !== null } satisfies CommandRequest);
    const [exitCode, [stdout, stderr]] = await Promise.race([Promise.all([answer, outputs]), this.#ended]);
    return { exitCode, signal: null, stdout, stderr: stderr.toString() };
  }

  [Symbol.dispose](): void {
    this.#process.kill();
  }
}

/** Cuts what a process writes at its marks. */
class MarkedStream {
  #received = Buffer.alloc(0);
  #mark = '';
  #found: ((output: Buffer) => void) | null = null;

  constructor(stream: Readable) {
    stream.on('data', (piece: Buffer) => {
      this.#received = Buffer.concat([this.#received, piece]);
      this.#look();
    });
  }

  until(mark: string): Promise<Buffer> {
    this.#mark = mark;
    return new Promise((resolve) => {
      this.#found = resolve;
      this.#look();
    });
  }

  #look(): void {
    const at = this.#found === null ? -1 : this.#received.indexOf(this.#mark);
    if (at < 0) return;
    const found = this.#found;
    const output = this.#received.subarray(0, at);
    this.#received = this.#received.subarray(at + this.#mark.length);
    this.#found = null;
    found?.(output);
  }
}
