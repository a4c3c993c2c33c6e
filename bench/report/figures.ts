/**
 * From what the steps brought to figures with names, for the text and its conclusions. Pure. A figure that was taken
 * several times is the median, and has its extremes beside it: `put.parallel.closed.rate`, `….rate.min`, `….rate.max`.
 */
import type { BenchRow } from '../support/bench-file.ts';
import type { LoadFigures } from './load-session.ts';
import { type Results, resultOf } from './results.ts';
import { METHODS, type Method, REPLICATIONS, type Replication } from './scale.ts';
import { ALTERNATIVES } from './steps/alternative-names.ts';
import type { FillResult } from './steps/fill.ts';
import type { LimitsResult } from './steps/limits.ts';
import type { MachineResult } from './steps/machine.ts';
import type { PageCacheResult } from './steps/page-cache.ts';
import { type ProfileResult, profileStepName } from './steps/profile-result.ts';
import { type RateResult, rateStepName } from './steps/rates.ts';
import { type ReplicationTurn, type TurnResult, turnStepName } from './steps/turns.ts';

/** The parts of a turn, by the names that figures have. */
export const RUNS = [
  'closed',
  'stable',
  'predecessors',
] as const satisfies readonly (keyof ReplicationTurn)[];

export function figuresOfResults(results: Results): Map<string, number> {
  const figures = new Map<string, number>();
  const { overloadPerSecond, rounds } = results.scale;
  figures.set('settings.rounds', rounds);
  figures.set('settings.floodRate', overloadPerSecond);
  const machine = resultOf<MachineResult>(results, 'machine');
  if (machine !== undefined) figures.set('machine.cores', machine.cores);
  const fill = resultOf<FillResult>(results, 'fill');
  if (fill !== undefined) figures.set('fill.seconds', fill.seconds);
  for (const method of METHODS)
    for (const replication of REPLICATIONS) addReplication(figures, results, method, replication);
  addLimits(figures, resultOf<LimitsResult>(results, 'limits'));
  const pages = resultOf<PageCacheResult>(results, 'page-cache');
  for (const state of ['warm', 'cold'] as const)
    if (pages !== undefined) addRuns(figures, `pages.${state}`, pages[state]);
  for (const { name } of ALTERNATIVES)
    for (const row of resultOf<readonly BenchRow[]>(results, name) ?? [])
      for (const [column, value] of Object.entries(row))
        if (typeof value === 'number') figures.set(`${rowName(name, row)}.${column}`, value);
  return figures;
}

/** The turns in which a replication was asked. */
export function turnsOf(results: Results, method: Method, replication: Replication): ReplicationTurn[] {
  return Array.from({ length: results.scale.rounds }, (_, index) =>
    resultOf<TurnResult>(results, turnStepName(method, index + 1)),
  ).flatMap((turn) => turn?.[replication] ?? []);
}

/** `peers.rpc.put`: the benchmark, and the texts of the row in their order. */
export function rowName(benchmark: string, row: BenchRow): string {
  const texts = Object.values(row).filter((value) => typeof value === 'string');
  return [benchmark, ...texts.map(slug)].join('.');
}

/** Beside the median, so that a table can show the spread. */
export function addMeasured(
  figures: Map<string, number>,
  name: string,
  values: readonly (number | null)[],
): void {
  const known = values.filter((value) => value !== null).toSorted((a, b) => a - b);
  if (known.length === 0) return;
  const middle = known.length >> 1;
  figures.set(name, known.length % 2 === 1 ? known[middle] : (known[middle - 1] + known[middle]) / 2);
  figures.set(`${name}.min`, known[0]);
  figures.set(`${name}.max`, known[known.length - 1]);
}

function addReplication(
  figures: Map<string, number>,
  results: Results,
  method: Method,
  replication: Replication,
): void {
  const name = `${method}.${replication}`;
  const rates = resultOf<RateResult>(results, rateStepName(method, replication));
  if (rates !== undefined) addRuns(figures, `${name}.overload`, [rates.overload]);
  if (rates?.found != null) {
    figures.set(`${name}.rate`, rates.found.ratePerSecond);
    figures.set(`${name}.rateP50Ms`, rates.found.p50Ms);
    figures.set(`${name}.rateP99Ms`, rates.found.p99Ms);
  }
  const turns = turnsOf(results, method, replication);
  for (const run of RUNS)
    addRuns(
      figures,
      `${name}.${run}`,
      turns.flatMap((turn) => turn[run] ?? []),
    );
  const profile = resultOf<ProfileResult>(results, profileStepName(method, replication));
  for (const [figure, value] of Object.entries(profile?.figures ?? {}))
    figures.set(`${name}.profile.${figure}`, value);
}

function addRuns(figures: Map<string, number>, name: string, runs: readonly LoadFigures[]): void {
  const add = (figure: string, of: (run: LoadFigures) => number | null): void =>
    addMeasured(figures, `${name}.${figure}`, runs.map(of));
  add('rate', (run) => run.requestsPerSecond);
  add('p50Ms', (run) => run.p50Ms);
  add('p90Ms', (run) => run.p90Ms);
  add('p99Ms', (run) => run.p99Ms);
  add('p999Ms', (run) => run.p999Ms);
  add('maxMs', (run) => run.maxMs);
  add('cpuMicros', (run) => run.cpuMicros);
  add('nodesCpuShare', (run) => run.nodesCpuShare);
  add('loadBusyShare', (run) => run.loadBusyShare);
  add('notFoundShare', (run) => run.notFoundShare);
  add('errorShare', (run) => (run.requests === 0 ? null : run.errors / run.requests));
}

function addLimits(figures: Map<string, number>, limits: LimitsResult | undefined): void {
  if (limits === undefined) return;
  for (const method of METHODS) figures.set(`limits.bare.${method}.rate`, limits.bare[method]);
  figures.set('limits.syncsPerSecond', limits.syncsPerSecond);
  figures.set('limits.syncP50Ms', limits.syncP50Ms);
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z\d]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}
