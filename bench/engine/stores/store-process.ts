/** The parent's end of a process with one store. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endBound, spawnBound } from '../../support/bound-child.ts';
import type { Answer, Question, StoreTask } from './protocol.ts';

const PROCESS = fileURLToPath(new URL('./process.ts', import.meta.url));

export class StoreProcess implements AsyncDisposable {
  readonly #task: StoreTask;
  readonly #child: ChildProcess;
  readonly #ended: Promise<Answer>;

  constructor(task: StoreTask) {
    this.#task = task;
    this.#child = spawnBound(process.execPath, [PROCESS, JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#ended = promise;
    this.#child.once('close', (code, signal) => {
      resolve({ ...NOTHING, error: `its process ended with ${signal ?? `exit code ${code}`}` });
    });
  }

  /** @throws Error with a sentence that names the store */
  async ask(question: Question): Promise<Answer> {
    const answered = new Promise<Answer>((resolve) => {
      this.#child.once('message', (message) => resolve(message as Answer));
    });
    this.#child.send(question);
    const answer = await Promise.race([answered, this.#ended]);
    if (answer.error !== undefined) throw new Error(`${this.#task.store}: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endBound(this.#child);
  }
}

const NOTHING = { results: [], openMs: 0, loadMs: 0, peakMib: 0, writtenBytes: 0 } as const;
