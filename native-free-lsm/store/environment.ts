import { availableParallelism } from 'node:os';
import { describe, fieldsFault, invalidArgument, refuse } from '../arguments.ts';
import { drawHashSeed, type EngineClock, systemEngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { NodeFileSystem } from '../fs/node-fs.ts';
import type { ExecutorFactory } from '../threads/executor.ts';
import { PoolExecutor } from '../threads/pool.ts';
import { SingleThreadExecutor } from '../threads/single-thread-executor.ts';

/** What the engine takes from its surroundings; tests and simulations give their own. */
export interface Environment {
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  /**
   * The time at which what is rewritten is judged: a value whose expiry is at or below it becomes a deletion. In whole ms
   * since the Unix epoch; what the clock shows unless it is given.
   */
  readonly expiryNowMs: () => number;
  readonly executor: ExecutorFactory;
  /** Sentences for an operator: a torn tail was cut, background work failed. */
  readonly report: (message: string) => void;
  /** Draws the secret with which a new directory hashes keys. */
  readonly drawHashSeed: () => HashSeed;
  /** How many bytes of the indexes and filters of tables an opening loads before it returns; others follow turn by turn. */
  readonly openingBytes: number;
  /** How many processors the program may use: with few the engine has one thread, see `singleThread` of its options. */
  readonly processors: number;
}

/** @throws LsmError INVALID_ARGUMENT */
export function completeEnvironment(environment: Partial<Environment>): Environment {
  refuse(environmentFault(environment));
  const { clock = REAL_ENVIRONMENT.clock } = environment;
  const complete = { ...REAL_ENVIRONMENT, expiryNowMs: () => clock.nowMs(), ...environment };
  const { report } = complete;
  return {
    ...complete,
    // A line that cannot be written is lost, but the work goes on.
    report: (message) => {
      try {
        report(message);
      } catch {}
    },
  };
}

/** Finds mistakes in the place of an argument, and no more. */
function environmentFault(environment: unknown): LsmError | undefined {
  const fault = fieldsFault('environment', environment, Object.keys(REAL_ENVIRONMENT));
  if (fault !== undefined) return fault;
  for (const [name, given] of Object.entries(environment as Partial<Environment>)) {
    const real = REAL_ENVIRONMENT[name as keyof Environment];
    if (typeof given !== typeof real || given === null)
      return invalidArgument(`environment.${name} must be of type ${typeof real}, not ${describe(given)}`);
  }
  return undefined;
}

/** They take a millisecond or two. */
const OPENING_BYTES = 256 * 1024;

const REAL_ENVIRONMENT: Environment = {
  fs: new NodeFileSystem(),
  clock: systemEngineClock,
  expiryNowMs: () => systemEngineClock.nowMs(),
  executor: (context) =>
    context.isSingleThread ? new SingleThreadExecutor(context) : new PoolExecutor(context),
  report: () => undefined,
  drawHashSeed,
  openingBytes: OPENING_BYTES,
  processors: availableParallelism(),
};
