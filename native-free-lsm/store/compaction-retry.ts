import type { CompactionTask } from '../compaction/picker.ts';
import type { LsmError } from '../errors.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { Retry, type RetryParts } from './retry.ts';

const NO_TABLES: ReadonlySet<number> = new Set();

/**
 * Decides which compactions wait after a failure. One that failed because of a table of its own holds up no other. One
 * that failed for any other reason, such as a full disk, holds up all, until its time has come or another one succeeds.
 */
export class CompactionRetry {
  readonly #retry: Retry;
  /** Tables with which a compaction has failed, until one with them has succeeded. */
  readonly #failedInputs = new Set<number>();
  /** Whether the last failure may concern all compactions. */
  #holdsAll = false;

  constructor(parts: RetryParts, onDue: () => void) {
    this.#retry = new Retry('compaction', parts, onDue);
  }

  /** Whether a compaction waits for its next attempt. */
  get pending(): boolean {
    return this.#retry.pending;
  }

  /**
   * Has a compaction picked that need not wait, and prefers those that have not failed. Otherwise one that can never
   * succeed would be picked again and again.
   */
  pick(pick: (heldTables: ReadonlySet<number>) => CompactionTask | null): CompactionTask | null {
    if (this.pending && this.#holdsAll) return null;
    const other = pick(this.#failedInputs);
    if (other !== null || this.pending || this.#failedInputs.size === 0) return other;
    return pick(NO_TABLES);
  }

  /** Nothing runs and nothing need be done, so what failed before is not due any more. */
  nothingDue(): void {
    if (this.pending) return;
    this.#failedInputs.clear();
    this.#holdsAll = false;
    this.#retry.notDue();
  }

  worked(inputs: readonly TableMetadata[]): void {
    for (const { id } of inputs) this.#failedInputs.delete(id);
    // When compactions run side by side, one may fail again and again while others succeed.
    if (this.#failedInputs.size === 0) this.#retry.works();
    else if (this.#holdsAll) this.#retry.startOver();
    this.#holdsAll = false;
  }

  /**
   * @param isOfInput whether a table among the inputs could not be read
   * @param isCondition false: the conditions have the fault already, under another name
   */
  failed(error: LsmError, inputs: readonly TableMetadata[], isOfInput: boolean, isCondition: boolean): void {
    for (const { id } of inputs) this.#failedInputs.add(id);
    this.#holdsAll = !isOfInput || (this.pending && this.#holdsAll);
    this.#retry.failed(error, isCondition);
  }
}
