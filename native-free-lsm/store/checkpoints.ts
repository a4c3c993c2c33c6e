import { resolve, sep } from 'node:path';
import { directoryFault, invalidArgument } from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import type { Executor } from '../threads/executor.ts';
import type { SuperVersions } from './super-versions.ts';

interface CheckpointParts {
  /** From the root on. */
  readonly directory: string;
  readonly control: SharedArrayBuffer;
  readonly executor: Pick<Executor, 'runCheckpoint'>;
  readonly superVersions: SuperVersions;
}

/** Has checkpoints made in a background thread. Each pins its super-version, so that no compaction takes a table away. */
export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
  }

  /** Why no checkpoint can be made there; undefined when one can. */
  fault(target: unknown): LsmError | undefined {
    const fault = directoryFault('directory', target);
    if (fault !== undefined) return fault;
    const own = this.#parts.directory;
    const given = resolve(target as string);
    if (given !== own && !given.startsWith(own + sep)) return undefined;
    return invalidArgument(`directory must lie outside of the engine's own, ${own}: name another one`);
  }

  /** Copies what is in tables at the call. @param target from the root on @throws LsmError as writeCheckpoint, and WORKER_DIED */
  async make(target: string): Promise<void> {
    const { control, directory, executor, superVersions } = this.#parts;
    const superVersion = superVersions.pin();
    const { tables, version } = superVersion;
    const { oldestGeneration } = tables;
    const spec = { directory, target, tables: version.tables, oldestGeneration };
    const running = executor
      .runCheckpoint({ spec, control })
      .finally(() => superVersions.unpin(superVersion));
    this.#running.add(running);
    try {
      await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Resolves when none is under way: they give up once background work is cancelled. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}
