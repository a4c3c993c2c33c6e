/** Results of a report as a full run brings them, made up: parallel is better than sequential, hedged better than both. */
import type { FoundRate, LoadFigures } from '../../bench/report/load-session.ts';
import { PART_NAMES } from '../../bench/report/profile-parts.ts';
import type { Results } from '../../bench/report/results.ts';
import {
  METHODS,
  type Method,
  REPLICATIONS,
  type Replication,
  type ScaleName,
  scaleOf,
} from '../../bench/report/scale.ts';
import { type ProfileResult, profileStepName, USAGE_NAMES } from '../../bench/report/steps/profile-result.ts';
import { rateStepName } from '../../bench/report/steps/rates.ts';
import { turnStepName } from '../../bench/report/steps/turns.ts';
import type { StepRecord } from '../../bench/report/work-folder.ts';
import type { BenchRow } from '../../bench/support/bench-file.ts';

const BASE_RATE: Readonly<Record<Replication, number>> = {
  sequential: 8_000,
  parallel: 10_000,
  hedged: 12_000,
};

export function loadFigures(requestsPerSecond: number, changes: Partial<LoadFigures> = {}): LoadFigures {
  const p50Ms = 50_000 / requestsPerSecond;
  return {
    offeredPerSecond: 0,
    requestsPerSecond,
    achievedShare: 1,
    requests: requestsPerSecond * 10,
    errors: 0,
    notFoundShare: 0.23,
    p50Ms,
    p90Ms: p50Ms * 2,
    p99Ms: p50Ms * 5,
    p999Ms: p50Ms * 8,
    maxMs: p50Ms * 10,
    cpuMicros: 600_000 / requestsPerSecond,
    nodesCpuShare: 0.7,
    loadBusyShare: 0.4,
    faults: [],
    spectrum: [
      { percentile: 0, latencyMs: p50Ms / 2 },
      { percentile: 50, latencyMs: p50Ms },
      { percentile: 99, latencyMs: p50Ms * 5 },
      { percentile: 100, latencyMs: p50Ms * 10 },
    ],
    ...changes,
  };
}

export function doneRecord(step: string, result: unknown): StepRecord {
  return {
    version: 1,
    step,
    commit: 'c0ffee',
    startedAt: '2026-01-02T03:04:05.678Z',
    seconds: 12,
    commands: [`node cli.ts ${step}`],
    state: 'done',
    result,
  };
}

function profileRecord(method: Method, replication: Replication): StepRecord {
  const shares = [...PART_NAMES.keys()].map((index) => (index + 1) / 36);
  const result: ProfileResult = {
    figures: {
      ...Object.fromEntries(USAGE_NAMES.map((name, index) => [name, 100 - index])),
      ...Object.fromEntries(PART_NAMES.map((name, index) => [name, shares[index]])),
    },
    waits: [
      { place: 'node-1 › writer › disk › log › fdatasync', totalShare: 0.4, perSecond: 500, meanMs: 0.8 },
    ],
    faults: [],
    files: [],
  };
  return doneRecord(profileStepName(method, replication), result);
}

/** As bench:accumulator writes them. */
function accumulatorRows(): BenchRow[] {
  return (['own', 'shared'] as const).flatMap((memory) =>
    (memory === 'own' ? ['1'] : ['1', '2', '4']).map((threads) => ({
      memory,
      threads,
      versions: 'rising',
      replicas: '3',
      arrivalNs: memory === 'own' ? 5 : 40,
      slotsNs: memory === 'own' ? 9 : 30,
      slotsOverArrival: memory === 'own' ? 1.8 : 0.75,
      retriesPerThousand: memory === 'own' ? null : 2,
    })),
  );
}

/** As bench:peers writes them. */
function peerRows(): BenchRow[] {
  return ['rpc', 'http'].flatMap((protocol) =>
    METHODS.map((method) => ({
      protocol,
      method,
      value: 'small',
      requestsPerSecond: protocol === 'rpc' ? 12_000 : 7_000,
      cpuMicros: protocol === 'rpc' ? 60 : 110,
      p50Ms: 4,
      p99Ms: 12,
    })),
  );
}

/** As bench:fan-out writes them. */
function fanOutRows(): BenchRow[] {
  return ['unicast', 'multicast'].flatMap((fanOut) =>
    ['3', '5'].map((nodes) => ({
      fanOut,
      nodes,
      size: '10 B',
      putsPerSecond: 10_000,
      cpuMicros: 65,
      p50Ms: 5,
      p99Ms: 15,
      datagramShare: fanOut === 'unicast' ? 0 : 0.99,
      resentShare: 0.01,
      writesPerDatagram: 4,
      errors: 0,
    })),
  );
}

/** As bench:zones writes them. */
function zoneRows(): BenchRow[] {
  return ['near', 'spread'].flatMap((policy) =>
    ['all', 'one lost'].flatMap((zones) =>
      ['get', 'put'].map((method) => ({
        policy,
        zones,
        clients: 'every node',
        method,
        answeredShare: policy === 'near' && zones === 'one lost' ? 0.67 : 1,
        meanMs: 30,
        p25Ms: policy === 'near' ? 2 : 41,
        p50Ms: 42,
        p99Ms: 84,
        notEnoughReplicas: 0,
        otherErrors: 0,
      })),
    ),
  );
}

/** Of the steps that measure the replications, and what is needed to describe them. */
export function reportResults(name: ScaleName = 'full'): Results {
  const scale = scaleOf(name);
  const records = [
    doneRecord('machine', {
      processor: 'Difference Engine',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      system: 'Linux 6.1 x64',
      fileSystem: 'ext4',
      node: 'v26.10.0',
      v8: '14.6',
      version: '0.1.0',
    }),
    doneRecord('limits', { bare: { put: 30_000, get: 40_000 }, syncsPerSecond: 900, syncP50Ms: 1.1 }),
    doneRecord('fill', { seconds: 30, size: scale.size }),
  ];
  for (const method of METHODS) {
    for (const replication of REPLICATIONS) {
      const rate = BASE_RATE[replication];
      const found: FoundRate = { ratePerSecond: rate, p50Ms: 5, p99Ms: 40 };
      records.push(
        doneRecord(rateStepName(method, replication), {
          overload: loadFigures(rate * 0.9),
          found,
          probes: [],
        }),
      );
    }
    for (let turn = 1; turn <= scale.rounds; turn++) {
      const turnOf = (replication: Replication) => {
        // The turns differ, and the second is the median.
        const rate = BASE_RATE[replication] * (1 + (turn - 2) / 100);
        return {
          closed: loadFigures(rate * 1.1),
          stable: loadFigures(rate),
          predecessors: loadFigures(rate),
        };
      };
      records.push(
        doneRecord(
          turnStepName(method, turn),
          Object.fromEntries(REPLICATIONS.map((replication) => [replication, turnOf(replication)])),
        ),
      );
    }
  }
  records.push(
    doneRecord('page-cache', {
      keys: 1_000_000,
      warm: [loadFigures(9_000)],
      cold: [loadFigures(3_000)],
      tablesMib: 3_000,
      coldResidentMib: 3,
    }),
  );
  for (const method of METHODS)
    for (const replication of scale.profiled) records.push(profileRecord(method, replication));
  records.push(doneRecord('accumulator', accumulatorRows()), doneRecord('zones', zoneRows()));
  records.push(doneRecord('peers', peerRows()), doneRecord('fan-out', fanOutRows()));
  return { version: 1, scale, records };
}
