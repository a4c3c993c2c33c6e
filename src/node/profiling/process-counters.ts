/** What the operating system counts of this process. */
import { readFileSync } from 'node:fs';
import type { CpuMs } from '../../node-profile.ts';

interface ProcessCounters {
  readonly cpu: CpuMs;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
}

export function processCounters(): ProcessCounters {
  const usage = process.resourceUsage();
  return {
    cpu: { userMs: usage.userCPUTime / 1000, systemMs: usage.systemCPUTime / 1000 },
    voluntarySwitches: usage.voluntaryContextSwitches,
    involuntarySwitches: usage.involuntaryContextSwitches,
  };
}

/** Null where the system does not tell. */
export function osThreads(): number | null {
  try {
    const [, count] = /^Threads:\s*(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return count === undefined ? null : Number(count);
  } catch {
    return null;
  }
}
