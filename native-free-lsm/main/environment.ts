import { drawHashSeed, type EngineClock, systemEngineClock } from '../clock.ts';
import type { ExecutorFactory } from '../executor.ts';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { NodeFileSystem } from '../fs/node-fs.ts';
import { PoolExecutor } from '../pool.ts';

/** What the engine takes from its surroundings; tests and simulations hand in their own. */
export interface Environment {
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  readonly executor: ExecutorFactory;
  /** Sentences about what an operator may want to know: a torn tail cut, background work that failed. */
  readonly report: (message: string) => void;
  /** Draws the secret that a new directory hashes keys with. */
  readonly drawHashSeed: () => HashSeed;
}

export const REAL_ENVIRONMENT: Environment = {
  fs: new NodeFileSystem(),
  clock: systemEngineClock,
  executor: (context) => new PoolExecutor(context),
  report: () => undefined,
  drawHashSeed,
};
