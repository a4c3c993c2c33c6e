/** One thing that is measured by itself. A file of `cases/` exports those of one subject as `cases`. */
export interface MicroCase {
  /** `subject: what`, unique; what `--only` looks at and results are compared by. */
  readonly name: string;
  /** How often one `run` does what the name says: figures are per operation. */
  readonly operations: number;
  /** Makes the inputs, the same at every call; not measured. */
  readonly prepare: () => PreparedCase;
}

export interface PreparedCase {
  /**
   * Does the operations, and returns a number that every result went into: nothing of the work can be left out by
   * the compiler. Leaves everything as it found it, so that each run does the same.
   */
  readonly run: () => number;
  /** What `run` has to return, found in another way than by what is measured. */
  readonly expected: number;
}

/** @throws Error when the case does not come to what it should: what would be measured is not the work */
export function requireExpected(name: string, returned: number, expected: number): void {
  if (returned === expected) return;
  throw new Error(`${name}: came to ${returned} instead of ${expected}, so there is nothing to measure`);
}
