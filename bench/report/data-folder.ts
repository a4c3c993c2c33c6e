/**
 * The data that is measured: filled once, and again where it is missing. It goes at the end of every run, also of one
 * that will be continued: it is large, and made in less than a minute.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from './program.ts';
import type { Scale } from './scale.ts';
import { NODES } from './served-cluster.ts';

export class DataFolder implements Disposable {
  /** A folder of our own: what else lies beside it is not ours to remove. */
  readonly #directory: string;
  readonly parent: string;
  #state: 'empty' | 'filled' | 'with 404s' = 'empty';

  /** @param parent where there is room for it */
  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.parent = parent;
    this.#directory = mkdtempSync(join(parent, 'quorate-report-data-'));
  }

  get path(): string {
    return join(this.#directory, 'data');
  }

  /** Whether key1 … are written, and the first of them deleted, so that reads meet as many 404s as they should. */
  get has404s(): boolean {
    return this.#state === 'with 404s';
  }

  /** Fills it anew. */
  async fill(program: Program, scale: Scale): Promise<void> {
    rmSync(this.path, { recursive: true, force: true });
    this.#state = 'empty';
    program.call(this.path, 'DATA');
    await program.run([
      'cli.ts',
      'fill',
      '--nodes',
      String(NODES),
      '--data',
      this.path,
      '--size',
      scale.size,
      '--seed',
      String(scale.seed),
    ]);
    this.#state = 'filled';
  }

  async ensureFilled(program: Program, scale: Scale): Promise<void> {
    if (this.#state === 'empty') await this.fill(program, scale);
    else program.call(this.path, 'DATA');
  }

  note404s(): void {
    this.#state = 'with 404s';
  }

  /** Values were written, perhaps to keys that had been deleted. */
  noteWrites(): void {
    this.#state = 'filled';
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
