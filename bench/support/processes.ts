/** Figures of processes from /proc: Linux only, like the whole benchmark. */
import { readFileSync } from 'node:fs';

/** The user and system time of a process with all its threads, in seconds (clock ticks are 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function residentMib(pid: number): number {
  return field(`/proc/${pid}/status`, /VmRSS:\s+(\d+)/) / 1024;
}

/**
 * The bytes that a process caused to be read from and written to the disk, with those of the page cache's write-back.
 */
export function diskBytes(pid: number): { readonly read: number; readonly written: number } {
  return {
    read: field(`/proc/${pid}/io`, /^read_bytes: (\d+)/m),
    written: field(`/proc/${pid}/io`, /^write_bytes: (\d+)/m),
  };
}

function field(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1]);
}
