/** The benchmarks of alternatives that the report takes in. Pure. */

export interface Alternative {
  /** Of the step, and the first part of its figures' names. */
  readonly name: string;
  readonly title: string;
  /** What follows `node`. */
  readonly args: readonly string[];
  readonly quickArgs: readonly string[];
  readonly budgetSeconds: number;
}

export const ALTERNATIVES: readonly Alternative[] = [
  {
    name: 'peers',
    title: 'peers asked over RPC, and over HTTP',
    args: ['bench/peers/run.ts'],
    quickArgs: ['--quick'],
    budgetSeconds: 150,
  },
  {
    name: 'fan-out',
    title: 'a write sent to each peer, and once by multicast',
    args: ['bench/fan-out/run.ts'],
    quickArgs: ['--quick'],
    budgetSeconds: 180,
  },
  {
    name: 'zones',
    title: 'replicas near and spread, 20 ms between zones',
    args: ['bench/zones/run.ts'],
    quickArgs: ['--quick'],
    budgetSeconds: 150,
  },
];

/** Of `bench:micro`; its file has a form of its own. */
export const ACCUMULATOR = {
  name: 'accumulator',
  title: 'answers folded as they arrive, and slots folded once',
  args: ['bench/micro/run.ts', '--only', 'accumulator'],
  quickArgs: ['--time-ms', '50'],
  budgetSeconds: 60,
} as const satisfies Alternative;
