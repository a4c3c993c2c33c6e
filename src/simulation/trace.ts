/** The log of a run, for people: a line for each thing that happened, with its simulated time. */
import { createHash } from 'node:crypto';

export interface Trace {
  say(nowMs: number, who: string, what: string): void;
}

/** Keeps the lines. */
export class KeptTrace implements Trace {
  readonly lines: string[] = [];

  say(nowMs: number, who: string, what: string): void {
    this.lines.push(`${(nowMs / 1000).toFixed(6).padStart(11)} ${who.padEnd(4)} ${what}`);
  }

  /** Two runs with the same one were the same. */
  digest(): string {
    const hash = createHash('sha256');
    for (const line of this.lines) hash.update(`${line}\n`);
    return hash.digest('hex');
  }
}

export const NO_TRACE: Trace = { say: () => undefined };
