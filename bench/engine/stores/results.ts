/** What a run has brought so far, by row and store. Pure. */
import { median } from '../figure.ts';
import type { WayResult } from './protocol.ts';
import { ROWS, type Row, type RowName } from './rows.ts';
import type { StoreName } from './store.ts';

/** Of a store, over the run: its amplifications are those of filling and overwriting everything once. */
export interface StoreCosts {
  readonly peakMib: number;
  readonly loadMs: number;
  readonly writeAmplification: number;
  readonly spaceAmplification: number;
}

export class StoreResults {
  /** By row and store: the results of each way, one a round. */
  readonly #results = new Map<string, Map<string, WayResult[]>>();
  readonly #costs = new Map<StoreName, StoreCosts[]>();

  add(row: RowName, store: StoreName, results: readonly WayResult[]): void {
    const ways = this.#results.get(keyOf(row, store)) ?? new Map<string, WayResult[]>();
    this.#results.set(keyOf(row, store), ways);
    for (const result of results) ways.set(result.way, [...(ways.get(result.way) ?? []), result]);
  }

  addCosts(store: StoreName, costs: StoreCosts): void {
    this.#costs.set(store, [...(this.#costs.get(store) ?? []), costs]);
  }

  /** Of each round, in the way that was the fastest; undefined: the row was not measured, or the store has no such way. */
  fastest(row: RowName, store: StoreName): readonly WayResult[] | undefined {
    const ways = [...(this.#results.get(keyOf(row, store))?.values() ?? [])];
    const speed = (results: readonly WayResult[]): number => median(results.map((each) => each.perSecond));
    return ways.toSorted((a, b) => speed(b) - speed(a))[0];
  }

  /** Every way, for those who want to see them all. */
  ways(row: RowName, store: StoreName): ReadonlyMap<string, readonly WayResult[]> {
    return this.#results.get(keyOf(row, store)) ?? new Map();
  }

  figure(row: RowName, store: StoreName, of: (result: WayResult) => number): number | undefined {
    const results = this.fastest(row, store);
    return results === undefined ? undefined : median(results.map(of));
  }

  cost(store: StoreName, of: keyof StoreCosts): number | undefined {
    const costs = this.#costs.get(store);
    return costs === undefined ? undefined : median(costs.map((each) => each[of]));
  }

  /** The median of the rounds' ratios. */
  ratio(row: RowName, store: StoreName, other: StoreName): number | undefined {
    const [ours, theirs] = [this.fastest(row, store), this.fastest(row, other)];
    if (ours === undefined || theirs === undefined) return undefined;
    const rounds = Math.min(ours.length, theirs.length);
    return median(Array.from({ length: rounds }, (_, i) => ours[i].perSecond / theirs[i].perSecond));
  }
}

export const OURS: StoreName = 'native-free-lsm';

export interface Verdict {
  readonly what: string;
  readonly figure: number;
  /** `x` for a ratio. */
  readonly unit: 'x' | 'ms';
  readonly bound: { readonly least: number } | { readonly most: number };
}

export function isReached({ bound, figure }: Verdict): boolean {
  return 'least' in bound ? figure >= bound.least : figure <= bound.most;
}

/** Of amplifications and of resident memory, over LevelDB's. */
const MOST_COST = 1;
/** Of ours while it is overwritten, over the worst turn of LevelDB's. */
const MOST_DELAY_SHARE = 0.2;
const LEVELDB: StoreName = 'classic-level';

/** Those of which ours may be no more than LevelDB's, with their titles. */
const COMPARED_COSTS = [
  ['writeAmplification', 'write amplification'],
  ['spaceAmplification', 'space amplification'],
  ['peakMib', 'most resident, with as large a cache'],
] as const;

/** Everything that was measured and has a bound. */
export function verdictsOf(results: StoreResults): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const row of ROWS as readonly (Row & { readonly name: RowName })[]) {
    for (const { against, least } of row.targets) {
      const figure = results.ratio(row.name, OURS, against);
      if (figure !== undefined)
        verdicts.push({ what: `${row.name}, against ${against}`, figure, unit: 'x', bound: { least } });
    }
    const speed = results.figure(row.name, OURS, ({ perSecond }) => perSecond);
    if (row.mostMs !== undefined && speed !== undefined)
      verdicts.push({ what: row.name, figure: 1000 / speed, unit: 'ms', bound: { most: row.mostMs } });
  }
  const delay = results.figure('overwrite', OURS, ({ delayP999Ms }) => delayP999Ms);
  const worst = results.figure('overwrite', LEVELDB, ({ delayMaxMs }) => delayMaxMs);
  if (delay !== undefined && worst !== undefined) {
    const what = `loop delay p99.9 of overwrite, against the worst turn of ${LEVELDB}`;
    verdicts.push({ what, figure: delay / worst, unit: 'x', bound: { most: MOST_DELAY_SHARE } });
  }
  for (const [cost, title] of COMPARED_COSTS) {
    const [ours, theirs] = [results.cost(OURS, cost), results.cost(LEVELDB, cost)];
    if (ours === undefined || theirs === undefined) continue;
    const what = `${title}, against ${LEVELDB}`;
    verdicts.push({ what, figure: ours / theirs, unit: 'x', bound: { most: MOST_COST } });
  }
  return verdicts;
}

function keyOf(row: RowName, store: StoreName): string {
  return `${row} ${store}`;
}
