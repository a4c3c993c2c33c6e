/** One thing that is measured by itself. A file of `cases/` exports the cases of one subject as `cases`. */
export interface MicroCase {
  /** `subject: what`, unique. `--only` matches it, and results are compared by it. */
  readonly name: string;
  /** How often one `run` does what the name says: figures are per operation. */
  readonly operations: number;
  /** Makes the inputs, the same at every call; this is not measured. */
  readonly prepare: () => PreparedCase;
}

export interface PreparedCase {
  /**
   * Does the operations and returns a number that depends on every result, so that the compiler can leave out nothing.
   * Leaves everything as it was, so that each run does the same.
   */
  readonly run: () => number;
  /** What `run` must return, computed in another way. */
  readonly expected: number;
}

/** @throws Error when the case returns something else than it should: then another work would be measured */
export function requireExpected(name: string, returned: number, expected: number): void {
  if (returned === expected) return;
  throw new Error(`${name}: came to ${returned} instead of ${expected}, so there is nothing to measure`);
}
