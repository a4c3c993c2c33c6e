import type { EngineOptions } from '../../../native-free-lsm/index.ts';

/** What a process of `npm run bench:footprint` is to do. */
export interface FootprintTask {
  readonly directory: string;
  /** 0: no engine. */
  readonly entries: number;
  /** The compiled package instead of the sources. */
  readonly isBuilt: boolean;
  readonly options: Partial<EngineOptions>;
}
