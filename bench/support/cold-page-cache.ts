/**
 * Keeps files out of the page cache without root: `dd iflag=nocache count=0` advises the kernel to drop a file
 * (POSIX_FADV_DONTNEED, for which Node has no call). It does so again and again, and `fincore` says what is left.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { endBound, runBound, spawnBound } from './bound-child.ts';

const MIB = 2 ** 20;
const PAUSE_SECONDS = 0.5;
/** Tables come and go, so each pass lists them anew. Only synced files can be dropped; tables are synced. */
const LOOP = `while :; do
  find "$0" -type f -name '*.sst' | while read -r file; do
    dd if="$file" iflag=nocache count=0 status=none 2>/dev/null
  done
  echo dropped
  sleep ${PAUSE_SECONDS}
done`;

export class ColdPageCache implements AsyncDisposable {
  readonly #directory: string;
  readonly #loop: ChildProcess;

  private constructor(directory: string, loop: ChildProcess) {
    this.#directory = directory;
    this.#loop = loop;
  }

  /** Resolves when the tables below `directory` have been dropped once. */
  static async start(directory: string): Promise<ColdPageCache> {
    const loop = spawnBound('sh', ['-c', LOOP, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    await new Promise<void>((resolve, reject) => {
      loop.stdout?.once('data', () => resolve());
      loop.once('error', reject);
    });
    // Nobody reads the rest of its output.
    loop.stdout?.resume();
    return new ColdPageCache(directory, loop);
  }

  async residentMib(): Promise<number> {
    return (await this.#column('RES')) / MIB;
  }

  async totalMib(): Promise<number> {
    return (await this.#column('SIZE')) / MIB;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The whole group: also the dd and sleep of the shell.
    await endBound(this.#loop);
  }

  async #column(name: 'RES' | 'SIZE'): Promise<number> {
    const files = readdirSync(this.#directory, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.sst'))
      .map((file) => join(this.#directory, file));
    const args = ['--raw', '--bytes', '--noheadings', '--output', name, ...files];
    const { output } = await runBound('fincore', args);
    return output.split('\n').reduce((sum, line) => sum + Number(line), 0);
  }
}
