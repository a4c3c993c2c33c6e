/** Puts together what the runs of a profile have shown. Pure. */
import type { SiteWaits } from '../../../native-free-lsm/index.ts';
import type { CpuMs, NodeProfile, ProfileKind } from '../../node-profile.ts';
import { type LoadResult, percentileMs } from '../load/result.ts';
import type {
  CpuProfile,
  HeapProfile,
  NodeFiles,
  NodeSummary,
  Overhead,
  RunSummary,
  ThreadFiles,
  ThreadSummary,
} from './profile-folder.ts';

/** One run of the load. */
export interface MeasuredRun {
  /** Null: without any profile. */
  readonly kind: ProfileKind | null;
  readonly load: LoadResult;
  /** In the order of the nodes. */
  readonly profiles: readonly NodeProfile[];
}

export function runSummaryOf({ kind, load, profiles }: MeasuredRun): RunSummary {
  const { faults, requestsPerSecond, tally } = load;
  const early = profiles.filter(({ endedBy }) => endedBy !== 'request');
  return {
    kind,
    requests: tally.requests,
    errors: tally.errors,
    requestsPerSecond,
    p50Ms: percentileMs(tally.latency, 50),
    p99Ms: percentileMs(tally.latency, 99),
    cpuMicrosPerRequest: perRequest(sum(profiles.map(({ cpu }) => totalMs(cpu))) * 1000, tally.requests),
    faults: [
      ...faults,
      ...(tally.good === 0 ? ['no request was answered well'] : []),
      ...early.map(({ endedBy, node }) => {
        const why = endedBy === 'size' ? 'it became too large' : 'the load took too long';
        return `the profile of ${node} ended before the load, because ${why}`;
      }),
    ],
  };
}

export function nodeSummariesOf(all: readonly MeasuredRun[]): NodeSummary[] {
  const runs = all.filter(({ kind }) => kind === null);
  const withWaits = all.find(({ kind }) => kind === 'waits');
  const withSamples = all.find(({ kind }) => kind === 'cpu');
  const requests = sum(runs.map(({ load }) => load.tally.requests));
  const names = runs[0]?.profiles.map(({ node }) => node) ?? [];
  return names.map((name, index) => {
    const parts = runs.map(({ profiles }) => profiles[index]);
    const cpu = sumCpu(parts.map((part) => part.cpu));
    const threads = threadSummariesOf(parts);
    const allocatedBytes = sum(threads.map((thread) => thread.allocatedBytes));
    const last = parts[parts.length - 1];
    return {
      name,
      elapsedMs: sum(parts.map(({ elapsedMs }) => elapsedMs)),
      cpu,
      requests,
      userMicrosPerRequest: perRequest(cpu.userMs * 1000, requests),
      systemMicrosPerRequest: perRequest(cpu.systemMs * 1000, requests),
      allocatedBytesPerRequest: perRequest(allocatedBytes, requests),
      voluntarySwitches: sum(parts.map(({ voluntarySwitches }) => voluntarySwitches)),
      involuntarySwitches: sum(parts.map(({ involuntarySwitches }) => involuntarySwitches)),
      osThreads: last.osThreads,
      residentBytes: last.residentBytes,
      threads,
      sampledThreads:
        withSamples?.profiles[index].threads.map(({ name: thread, cpu }) => ({ thread, cpu })) ?? null,
      waits: withWaits?.profiles[index].threads.map(({ name: thread, waits }) => ({ thread, waits })) ?? null,
    };
  });
}

export function overheadOf(runs: readonly RunSummary[]): Overhead[] {
  const without = runs.filter(({ kind }) => kind === null);
  const requests = sum(without.map((run) => run.requests));
  const withoutMicrosPerRequest = perRequest(
    sum(without.map((run) => run.cpuMicrosPerRequest * run.requests)),
    requests,
  );
  return runs.flatMap(({ cpuMicrosPerRequest, kind }) =>
    kind === null
      ? []
      : [
          {
            kind,
            withoutMicrosPerRequest,
            withMicrosPerRequest: cpuMicrosPerRequest,
            ratio: withoutMicrosPerRequest === 0 ? 0 : cpuMicrosPerRequest / withoutMicrosPerRequest,
          },
        ],
  );
}

/** What was recorded of each thread, each kind in its own run. */
export function nodeFilesOf(runs: readonly MeasuredRun[]): NodeFiles[] {
  const byNode = new Map<string, Map<string, ThreadFiles>>();
  for (const { kind, profiles } of runs) {
    for (const { node, threads } of profiles) {
      const files = byNode.get(node) ?? new Map<string, ThreadFiles>();
      byNode.set(node, files);
      for (const thread of kind === null ? [] : threads) {
        const { cpu, cpuProfile, heapProfile, name, waits } = thread;
        const before = files.get(name) ?? { name, cpu: null, sampledCpu: null, heap: null, waits: null };
        files.set(name, {
          ...before,
          ...(kind === 'cpu' ? { cpu: cpuProfile as CpuProfile | null, sampledCpu: cpu } : {}),
          ...(kind === 'heap' ? { heap: heapProfile as HeapProfile | null } : {}),
          ...(kind === 'waits' ? { waits: waits as readonly SiteWaits[] } : {}),
        });
      }
    }
  }
  return [...byNode].map(([name, threads]) => ({ name, threads: [...threads.values()] }));
}

function threadSummariesOf(parts: readonly NodeProfile[]): ThreadSummary[] {
  const threads = new Map<string, ThreadSummary>();
  for (const { allocatedBytes, cpu, name } of parts.flatMap((part) => part.threads)) {
    const before = threads.get(name);
    threads.set(name, {
      name,
      cpu: sumCpu(before === undefined ? [cpu] : [before.cpu, cpu]),
      allocatedBytes: allocatedBytes + (before?.allocatedBytes ?? 0),
    });
  }
  return [...threads.values()];
}

function totalMs({ systemMs, userMs }: CpuMs): number {
  return userMs + systemMs;
}

function sumCpu(parts: readonly CpuMs[]): CpuMs {
  return {
    userMs: sum(parts.map(({ userMs }) => userMs)),
    systemMs: sum(parts.map(({ systemMs }) => systemMs)),
  };
}

function perRequest(amount: number, requests: number): number {
  return requests === 0 ? 0 : amount / requests;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
