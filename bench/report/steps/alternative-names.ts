/** The benchmarks of alternatives that the report takes in: scripts of package.json that take --json. Pure. */

export interface Alternative {
  /** Of the step, and the first part of its figures' names. */
  readonly name: string;
  readonly title: string;
  readonly script: string;
  /** For runs that only try whether it works. */
  readonly quickFlags: readonly string[];
  /**
   * What is compared: of this text of its rows, each value has columns of its own beside the others'. Left out where a
   * row has both already.
   */
  readonly compared?: string;
  /** The figures that a table shows, in their order; all are in the results. */
  readonly shown: readonly string[];
  readonly budgetSeconds: number;
  readonly quickBudgetSeconds: number;
}

export const ALTERNATIVES: readonly Alternative[] = [
  {
    name: 'accumulator',
    title: 'answers folded as they arrive, and slots folded once',
    script: 'bench:accumulator',
    quickFlags: ['--quick', '--rounds', '1'],
    shown: ['arrivalNs', 'slotsNs', 'slotsOverArrival', 'retriesPerThousand'],
    budgetSeconds: 60,
    quickBudgetSeconds: 6,
  },
  {
    name: 'peers',
    title: 'peers asked over RPC, and over HTTP',
    script: 'bench:peers',
    quickFlags: ['--quick'],
    compared: 'protocol',
    shown: ['requestsPerSecond', 'cpuMicros', 'p50Ms', 'p99Ms'],
    budgetSeconds: 130,
    quickBudgetSeconds: 10,
  },
  {
    name: 'fan-out',
    title: 'a write sent to each peer, and once by multicast',
    script: 'bench:fan-out',
    quickFlags: ['--quick'],
    compared: 'fanOut',
    shown: ['putsPerSecond', 'cpuMicros', 'p50Ms', 'p99Ms', 'resentShare'],
    budgetSeconds: 150,
    quickBudgetSeconds: 8,
  },
  {
    name: 'zones',
    title: 'replicas near and spread, 20 ms between zones',
    script: 'bench:zones',
    quickFlags: ['--quick'],
    compared: 'policy',
    shown: ['p25Ms', 'p50Ms', 'p99Ms', 'meanMs', 'answeredShare'],
    budgetSeconds: 130,
    quickBudgetSeconds: 30,
  },
];
