/** Sets the wall clock of another process that has loaded `preloaded-clock.ts`. */
import { renameSync, writeFileSync } from 'node:fs';

/** Names the file in the process's environment. */
export const CLOCK_FILE_VARIABLE = 'QUORATE_TEST_CLOCK_FILE';
const PRELOADED = new URL('preloaded-clock.ts', import.meta.url);

export interface ClockSetting {
  /** How far the wall clock is ahead of the machine's, and how much further each second from a moment on. */
  readonly offsetMs: number;
  readonly driftMsPerS: number;
  readonly fromMs: number;
}

/** The environment that makes a process take its wall clock from the file. */
export function clockEnvironment(file: string): NodeJS.ProcessEnv {
  return { [CLOCK_FILE_VARIABLE]: file, NODE_OPTIONS: `--import=${PRELOADED.href}` };
}

export function setClock(file: string, offsetMs: number, driftMsPerS: number): void {
  const setting: ClockSetting = { offsetMs, driftMsPerS, fromMs: Date.now() };
  const next = `${file}.next`;
  writeFileSync(next, JSON.stringify(setting));
  // Replaced as a whole, because it is read all the time.
  renameSync(next, file);
}
