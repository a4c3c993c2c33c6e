/** The questions to the process of one engine, and its answers. */

export interface AloneTask {
  readonly engine: 'ours' | 'classic-level';
  readonly directory: string;
  readonly operation: 'load' | 'put' | 'get' | 'range';
  /** The N of the last key: the keys are key1 … keyN. */
  readonly keys: number;
  readonly valueBytes: number;
  /** How long each way of reading is measured. */
  readonly seconds: number;
}

export interface AloneResult {
  /** How the engine was called. */
  readonly way: string;
  /** Puts, gets or entries. */
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly delayP999Ms: number;
  readonly delayMaxMs: number;
}

export type AloneAnswer = { readonly results: readonly AloneResult[] } | { readonly error: string };
