/**
 * What the steps of a report have brought, a JSON file each, so that a run that was broken off goes on where it was. The
 * folder is named by what the figures depend on: the settings and the code that is measured.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const RECORD_VERSION = 1;

interface RecordHead {
  readonly version: typeof RECORD_VERSION;
  readonly step: string;
  /** Of the checkout that was measured. */
  readonly commit: string;
  /** UTC, for people. */
  readonly startedAt: string;
  readonly seconds: number;
  /** The command lines that were run, for whoever wants to run one again. */
  readonly commands: readonly string[];
}

export type StepRecord = RecordHead &
  (
    | { readonly state: 'done'; readonly result: unknown }
    /** It is tried again by the next run. */
    | { readonly state: 'failed'; readonly error: string }
  );

export class WorkFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** Forgets everything. */
  clear(): void {
    rmSync(this.path, { recursive: true, force: true });
    mkdirSync(this.path, { recursive: true });
  }

  /** @returns undefined also for what a run that ended in the middle of writing has left */
  read(step: string): StepRecord | undefined {
    const file = this.#fileOf(step);
    if (!existsSync(file)) return undefined;
    try {
      const record = JSON.parse(readFileSync(file, 'utf8')) as StepRecord;
      return record.version === RECORD_VERSION ? record : undefined;
    } catch {
      return undefined;
    }
  }

  write(
    record: Omit<RecordHead, 'version'> &
      ({ state: 'done'; result: unknown } | { state: 'failed'; error: string }),
  ): void {
    const file = this.#fileOf(record.step);
    // Whole or not at all: a process may end at any time.
    writeFileSync(`${file}.new`, `${JSON.stringify({ version: RECORD_VERSION, ...record })}\n`);
    renameSync(`${file}.new`, file);
  }

  forget(step: string): void {
    rmSync(this.#fileOf(step), { force: true });
    rmSync(this.filesOf(step), { recursive: true, force: true });
  }

  /** Where a step keeps files that its result names; not made yet. */
  filesOf(step: string): string {
    return join(this.path, step);
  }

  #fileOf(step: string): string {
    return join(this.path, `${step}.json`);
  }
}
