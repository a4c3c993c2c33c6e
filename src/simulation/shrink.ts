/**
 * Finds a smaller plan that still breaks a promise, by leaving out faults and requests: first large parts, then ever
 * smaller ones, until nothing more can go (Zeller and Hildebrandt's delta debugging). A plan is data, so what stays
 * happens at its old time.
 */
import type { Plan } from './plan/plan.ts';

type BreaksStill = (plan: Plan) => Promise<boolean>;

/** @param mostRuns when to be content with what was found */
export async function shrink(plan: Plan, breaksStill: BreaksStill, mostRuns: number): Promise<Plan> {
  let smallest = plan;
  let runs = 0;
  const tries = async (smaller: Plan): Promise<boolean> => {
    if (runs >= mostRuns) return false;
    runs++;
    if (!(await breaksStill(smaller))) return false;
    smallest = smaller;
    return true;
  };
  for (;;) {
    const before = sizeOf(smallest);
    // A fault less saves more to read than a request less.
    await leaveOut(
      () => smallest.faults,
      (faults) => tries({ ...smallest, faults }),
    );
    await leaveOut(
      () => smallest.requests,
      (requests) => tries({ ...smallest, requests }),
    );
    if (sizeOf(smallest) === before || runs >= mostRuns) return smallest;
  }
}

/** Only what these ids name: requests as `r12`, faults as `f3`. */
export function only(plan: Plan, ids: ReadonlySet<string>): Plan {
  return {
    ...plan,
    requests: plan.requests.filter(({ id }) => ids.has(`r${id}`)),
    faults: plan.faults.filter(({ id }) => ids.has(`f${id}`)),
  };
}

/** The ids of all that it has, for `only`. */
export function idsOf({ faults, requests }: Plan): string[] {
  return [...faults.map(({ id }) => `f${id}`), ...requests.map(({ id }) => `r${id}`)];
}

function sizeOf({ faults, requests }: Plan): number {
  return faults.length + requests.length;
}

/** @param tries whether it breaks without a part; then `items` gives what is left */
async function leaveOut<T>(
  items: () => readonly T[],
  tries: (left: readonly T[]) => Promise<boolean>,
): Promise<void> {
  let partLength = items().length;
  while (partLength > 0) {
    for (let at = 0; at < items().length; ) {
      const left = items().toSpliced(at, partLength);
      if (!(await tries(left))) at += partLength;
    }
    partLength = partLength === 1 ? 0 : Math.ceil(partLength / 2);
  }
}
