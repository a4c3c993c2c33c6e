/** Sets the wall clock of another process, one that has `preloaded-clock.ts` loaded. */
import { renameSync, writeFileSync } from 'node:fs';

/** Names the file in the process's environment. */
export const CLOCK_FILE_VARIABLE = 'QUORATE_TEST_CLOCK_FILE';
const PRELOADED = new URL('preloaded-clock.ts', import.meta.url);

export interface ClockSetting {
  /** How far the wall clock is ahead of the machine's, and how much more each second from a moment on. */
  readonly offsetMs: number;
  readonly driftMsPerS: number;
  readonly fromMs: number;
}

/** What makes a process take its wall clock from the file. */
export function clockEnvironment(file: string): NodeJS.ProcessEnv {
  return { [CLOCK_FILE_VARIABLE]: file, NODE_OPTIONS: `--import=${PRELOADED.href}` };
}

export function setClock(file: string, offsetMs: number, driftMsPerS: number): void {
  const setting: ClockSetting = { offsetMs, driftMsPerS, fromMs: Date.now() };
  const next = `${file}.next`;
  writeFileSync(next, JSON.stringify(setting));
  // Whole or not at all: it is read all the time.
  renameSync(next, file);
}
