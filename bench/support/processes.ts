/** Figures of processes from /proc: Linux only, as the whole benchmark. */
import { readFileSync } from 'node:fs';

/** User and system time of a process and all its threads, in seconds (clock ticks are 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function residentMib(pid: number): number {
  return field(`/proc/${pid}/status`, /VmRSS:\s+(\d+)/) / 1024;
}

/** Bytes that a process had read from and written to the disk, the page cache's write-back included. */
export function diskBytes(pid: number): { readonly read: number; readonly written: number } {
  return {
    read: field(`/proc/${pid}/io`, /^read_bytes: (\d+)/m),
    written: field(`/proc/${pid}/io`, /^write_bytes: (\d+)/m),
  };
}

function field(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1]);
}
