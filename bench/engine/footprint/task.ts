import type { EngineOptions } from '../../../native-free-lsm/index.ts';

/** What a process of `npm run bench:footprint` is to do. */
export interface FootprintTask {
  readonly directory: string;
  readonly entries: number;
  /** The compiled package instead of the sources; null: no engine, all else is done all the same. */
  readonly engine: 'built' | 'sources' | null;
  readonly options: Partial<EngineOptions>;
}
