/**
 * Combines several rounds of one case into a figure, and decides whether two such figures differ. Pure.
 *
 * A round is one fresh thread, and its samples give one figure. Samples within a round agree with one another much
 * better than rounds do: rounds differ in what the compiler made of the code, and in what the machine was doing. So the
 * margin is that of the rounds.
 */

/** 97.5 % quantile of Student's distribution, by degrees of freedom from 1 on. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const STUDENT_OF_MORE = 2.2;
/** Smaller differences count as noise, however well the rounds agree. */
const LEAST_DIFFERENCE = 0.03;

export interface Figure {
  readonly name: string;
  /** The median of the rounds. */
  readonly nsPerOperation: number;
  /**
   * Half of the 95 % interval of the rounds' mean, as a share of the mean; 1 for a single round, where it is unknown.
   */
  readonly margin: number;
  readonly samples: number;
  readonly rounds: readonly number[];
}

export function figureOf(name: string, rounds: readonly number[], samples: number): Figure {
  return { name, nsPerOperation: median(rounds), margin: marginOf(rounds), samples, rounds };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function marginOf(rounds: readonly number[]): number {
  const count = rounds.length;
  if (count < 2) return 1;
  const mean = rounds.reduce((sum, round) => sum + round, 0) / count;
  const variance = rounds.reduce((sum, round) => sum + (round - mean) ** 2, 0) / (count - 1);
  return ((STUDENT[count - 2] ?? STUDENT_OF_MORE) * Math.sqrt(variance / count)) / mean;
}

export const Change = { none: 'within noise', faster: 'faster', slower: 'SLOWER' } as const;
export type Change = (typeof Change)[keyof typeof Change];

export interface Comparison {
  readonly before: Figure;
  readonly after: Figure;
  /** After divided by before: below 1 is faster. */
  readonly ratio: number;
  readonly change: Change;
}

/** The cases that both runs have, beginning with the one that became slowest. */
export function compare(before: readonly Figure[], after: readonly Figure[]): Comparison[] {
  const earlier = new Map(before.map((figure) => [figure.name, figure]));
  return after
    .flatMap((figure) => {
      const match = earlier.get(figure.name);
      return match === undefined ? [] : [compareFigures(match, figure)];
    })
    .sort((a, b) => b.ratio - a.ratio);
}

function compareFigures(before: Figure, after: Figure): Comparison {
  const ratio = after.nsPerOperation / before.nsPerOperation;
  const noise = Math.max(LEAST_DIFFERENCE, Math.hypot(before.margin, after.margin));
  // Compared as logarithms, so that twice as long and half as long are equally far from 1.
  const differs = Math.abs(Math.log(ratio)) > Math.log1p(noise);
  return {
    before,
    after,
    ratio,
    change: differs ? (ratio > 1 ? Change.slower : Change.faster) : Change.none,
  };
}
