/** What the process of one engine is asked, and what it says. */

export interface AloneTask {
  readonly engine: 'ours' | 'classic-level';
  readonly directory: string;
  readonly operation: 'load' | 'put' | 'get' | 'range';
  /** key1 … keyN. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Of each way that is measured. */
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
