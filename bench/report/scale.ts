/** How much a report measures, and how long. Pure. */

export const REPLICATIONS = ['sequential', 'parallel', 'hedged'] as const;
export type Replication = (typeof REPLICATIONS)[number];

export const METHODS = ['put', 'get'] as const;
export type Method = (typeof METHODS)[number];

export const SCALES = ['full', 'quick', 'tiny'] as const;
export type ScaleName = (typeof SCALES)[number];

export interface Scale {
  readonly name: ScaleName;
  /** Only then do figures mean something, and conclusions are held to them. */
  readonly isJudged: boolean;
  /** Keys and values that each node holds before anything is measured. */
  readonly size: string;
  /** key1 … keyN are written and read. */
  readonly keys: number;
  /** key1 … keyN are deleted before reads, so that as many answers are 404 as in the report of the predecessor. */
  readonly deletedKeys: number;
  /** Deletions a second: small enough to hold anywhere. */
  readonly deletesPerSecond: number;
  /** Far more than a cluster on one machine can answer. */
  readonly overloadPerSecond: number;
  readonly overloadSeconds: number;
  /** The search for the highest rate begins here. */
  readonly firstRate: number;
  readonly probeSeconds: number;
  readonly probeWarmUpSeconds: number;
  /** Of each run that a table takes a median of, and how often it is repeated. */
  readonly runSeconds: number;
  readonly warmUpSeconds: number;
  readonly rounds: number;
  readonly profileSeconds: number;
  /** Whose profiles are taken, and compared with one another. */
  readonly profiled: readonly Replication[];
  /** Given to the benchmarks of alternatives. */
  readonly isQuickBench: boolean;
  readonly seed: number;
}

const FULL: Scale = {
  name: 'full',
  isJudged: true,
  size: '1GiB',
  keys: 100_000,
  deletedKeys: 23_000,
  deletesPerSecond: 5_000,
  overloadPerSecond: 30_000,
  overloadSeconds: 15,
  firstRate: 4_000,
  probeSeconds: 5,
  probeWarmUpSeconds: 1,
  runSeconds: 10,
  warmUpSeconds: 2,
  rounds: 3,
  profileSeconds: 8,
  profiled: REPLICATIONS,
  isQuickBench: false,
  seed: 1,
};

const QUICK: Scale = {
  ...FULL,
  name: 'quick',
  isJudged: false,
  size: '64MiB',
  keys: 20_000,
  deletedKeys: 4_600,
  overloadSeconds: 1,
  probeSeconds: 0.5,
  probeWarmUpSeconds: 0.2,
  runSeconds: 0.7,
  warmUpSeconds: 0.3,
  rounds: 1,
  profileSeconds: 1,
  profiled: ['sequential', 'parallel'],
  isQuickBench: true,
};

const TINY: Scale = {
  ...QUICK,
  name: 'tiny',
  size: '1MiB',
  keys: 200,
  deletedKeys: 46,
  deletesPerSecond: 460,
  overloadPerSecond: 2_000,
  overloadSeconds: 0.3,
  firstRate: 2_000,
  probeSeconds: 0.1,
  probeWarmUpSeconds: 0.1,
  runSeconds: 0.3,
  warmUpSeconds: 0.1,
  profileSeconds: 1,
};

/** @param rounds instead of those of the scale */
export function scaleOf(name: ScaleName, rounds?: number): Scale {
  const scale = { full: FULL, quick: QUICK, tiny: TINY }[name];
  return rounds === undefined ? scale : { ...scale, rounds };
}
