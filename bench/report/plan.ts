/** The order of steps, and which of them a run has to do. Pure. */

/** The part of a step that its place in the order depends on. */
export interface Planned {
  readonly name: string;
  readonly budgetSeconds: number;
  readonly needs: readonly string[];
}

/**
 * @param only names, and with them what they need; undefined: all
 * @throws Error with a sentence for a name that there is not
 */
export function chooseSteps<S extends Planned>(
  steps: readonly S[],
  only: readonly string[] | undefined,
): S[] {
  if (only === undefined) return [...steps];
  const chosen = new Set<string>();
  const choose = (name: string): void => {
    const step = steps.find((known) => known.name === name);
    if (step === undefined) throw new Error(`there is no step ${name}: --list names them`);
    if (chosen.has(name)) return;
    chosen.add(name);
    step.needs.forEach(choose);
  };
  only.forEach(choose);
  return steps.filter(({ name }) => chosen.has(name));
}

/** What is left to do of them, given what earlier runs have done. */
export function remainingSteps<S extends Planned>(
  steps: readonly S[],
  isDone: (name: string) => boolean,
): S[] {
  return steps.filter(({ name }) => !isDone(name));
}

/**
 * Seconds that the steps to come will take: their budgets, stretched or shrunk as those before took more or less than
 * theirs.
 */
export function secondsLeft(
  before: readonly { readonly budgetSeconds: number; readonly seconds: number }[],
  toCome: readonly Planned[],
): number {
  const budget = toCome.reduce((sum, { budgetSeconds }) => sum + budgetSeconds, 0);
  const planned = before.reduce((sum, { budgetSeconds }) => sum + budgetSeconds, 0);
  const taken = before.reduce((sum, { seconds }) => sum + seconds, 0);
  return planned === 0 ? budget : budget * (taken / planned);
}
