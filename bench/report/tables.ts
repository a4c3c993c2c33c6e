/** The tables of the report, by the names under which its text asks for them. Pure. */

import type { BenchRow } from '../support/bench-file.ts';
import type { Figures } from './claims.ts';
import { rowName, turnsOf } from './figures.ts';
import { table } from './markdown.ts';
import {
  columnTitle,
  describeCell,
  describeFigure,
  describeSeconds,
  digits,
  NOT_MEASURED,
} from './numbers.ts';
import { PART_NAMES } from './profile-parts.ts';
import { type Results, resultOf } from './results.ts';
import { METHODS, type Method, REPLICATIONS } from './scale.ts';
import { ALTERNATIVES, type Alternative } from './steps/alternative-names.ts';
import type { MachineResult } from './steps/machine.ts';
import { type ProfileResult, profileStepName, USAGE_NAMES } from './steps/profile-result.ts';

const GIB = 2 ** 30;
const DOUBTFUL = '†';
/** Of each profile. */
const MOST_WAITS = 4;

/** @throws Error with a sentence for a name that there is not */
export function tableOf(name: string, results: Results, figures: Figures): string {
  switch (name) {
    case 'machine':
      return machineTable(results);
    case 'steps':
      return stepsTable(results);
    case 'rates':
      return ratesTable(figures);
    case 'put':
    case 'get':
      return turnsTable(name, results, figures);
    case 'profiles':
      return profilesTable(results, figures, 'of all nodes, a request', USAGE_NAMES);
    case 'parts':
      return profilesTable(results, figures, 'of the CPU time of all nodes', PART_NAMES);
    case 'waits':
      return waitsTable(results);
    case 'page-cache':
      return pageCacheTable(figures);
  }
  const bench = ALTERNATIVES.find((known) => known.name === name);
  if (bench === undefined) throw new Error(`there is no table ${name}`);
  return benchTable(bench, resultOf<readonly BenchRow[]>(results, bench.name), figures);
}

function machineTable(results: Results): string {
  const machine = resultOf<MachineResult>(results, 'machine');
  if (machine === undefined) return NOT_MEASURED;
  const { seed, size } = results.scale;
  const commits = [...new Set(results.records.map(({ commit }) => commit))];
  const began = results.records.map(({ startedAt }) => startedAt).toSorted()[0] ?? '';
  return table(
    ['', ''],
    [
      ['processor', `${machine.processor}, ${machine.cores} cores`],
      ['memory', `${digits(machine.memoryBytes / GIB)} GiB`],
      ['system', machine.system],
      ['file system of the data', machine.fileSystem === '' ? 'unknown' : machine.fileSystem],
      ['Node', `${machine.node} (V8 ${machine.v8})`],
      ['Quorate', `${machine.version}, commit ${commits.join(', ')}`],
      ['data', `three nodes with ${size} each; seed ${seed} for data and requests`],
      ['measured', `${began.slice(0, 16).replace('T', ' ')} UTC`],
    ],
    2,
  );
}

function stepsTable({ records }: Results): string {
  return table(
    ['step', 'time', 'result'],
    records.map((record) => [
      record.step,
      describeSeconds(record.seconds),
      record.state === 'done' ? 'done' : `failed: ${record.error}`,
    ]),
    1,
  );
}

function ratesTable(figures: Figures): string {
  const rows = METHODS.flatMap((method) =>
    REPLICATIONS.map((replication) => {
      const name = `${method}.${replication}`;
      return [
        `${method.toUpperCase()}, ${replication}`,
        figure(figures, `${name}.rate`),
        figure(figures, `${name}.rateP50Ms`),
        figure(figures, `${name}.rateP99Ms`),
        figure(figures, `${name}.overload.rate`),
        figure(figures, `${name}.overload.p50Ms`),
        figure(figures, `${name}.overload.p99Ms`),
        figure(figures, `${name}.overload.errorShare`),
      ];
    }),
  );
  return table(
    [
      '',
      'highest rate that holds',
      'p50 there',
      'p99 there',
      'achieved in the flood',
      'p50',
      'p99',
      'errors',
    ],
    rows,
  );
}

function turnsTable(method: Method, results: Results, figures: Figures): string {
  const rows = REPLICATIONS.map((replication) => {
    const name = `${method}.${replication}`;
    const isDoubtful = turnsOf(results, method, replication).some(({ predecessors, stable }) =>
      [predecessors, stable].some((run) => run !== null && run.faults.length > 0),
    );
    return [
      isDoubtful ? `${replication} ${DOUBTFUL}` : replication,
      spread(figures, `${name}.closed.rate`),
      spread(figures, `${name}.closed.cpuMicros`),
      spread(figures, `${name}.predecessors.p50Ms`),
      spread(figures, `${name}.predecessors.p99Ms`),
      spread(figures, `${name}.predecessors.p999Ms`),
      spread(figures, `${name}.predecessors.cpuMicros`),
      spread(figures, `${name}.stable.p50Ms`),
      spread(figures, `${name}.stable.p99Ms`),
      ...(method === 'get' ? [spread(figures, `${name}.predecessors.notFoundShare`)] : []),
    ];
  });
  const text = table(
    [
      '',
      'closed loop, /s',
      'CPU there, µs',
      "p50 at the predecessor's rate, ms",
      'p99, ms',
      'p99.9, ms',
      'CPU, µs',
      'p50 at its own rate, ms',
      'p99, ms',
      ...(method === 'get' ? ['404, %'] : []),
    ],
    rows,
  );
  return withNote(text);
}

/** @param columns which figures of the profiles */
function profilesTable(
  results: Results,
  figures: Figures,
  title: string,
  columns: readonly string[],
): string {
  const rows = METHODS.flatMap((method) =>
    REPLICATIONS.flatMap((replication) => {
      const cells = columns.map((column) => cell(figures, `${method}.${replication}.profile.${column}`));
      if (cells.every((text) => text === '')) return [];
      const profile = resultOf<ProfileResult>(results, profileStepName(method, replication));
      const what = `${method.toUpperCase()}, ${replication}`;
      return [[profile?.faults.length === 0 ? what : `${what} ${DOUBTFUL}`, ...cells]];
    }),
  );
  return rows.length === 0 ? NOT_MEASURED : withNote(table([title, ...columns.map(columnTitle)], rows));
}

function waitsTable(results: Results): string {
  const rows = METHODS.flatMap((method) =>
    REPLICATIONS.flatMap((replication) => {
      const { waits } = resultOf<ProfileResult>(results, profileStepName(method, replication)) ?? {
        waits: [],
      };
      return waits
        .toSorted((a, b) => b.totalShare - a.totalShare)
        .slice(0, MOST_WAITS)
        .map(({ meanMs, perSecond, place, totalShare }) => [
          `${method.toUpperCase()}, ${replication}: ${place}`,
          digits(totalShare * 100),
          digits(perSecond),
          digits(meanMs),
        ]);
    }),
  );
  return rows.length === 0
    ? NOT_MEASURED
    : table(['where a thread waited', '% of the time', 'times a second', 'mean, ms'], rows);
}

function pageCacheTable(figures: Figures): string {
  return table(
    ['', 'GET, /s', 'p50, ms', 'p99, ms', 'p99.9, ms', 'CPU, µs'],
    (
      [
        ['tables in the page cache', 'pages.warm'],
        ['tables dropped from it', 'pages.cold'],
      ] as const
    ).map(([title, name]) => [
      title,
      ...['rate', 'p50Ms', 'p99Ms', 'p999Ms', 'cpuMicros'].map((part) => spread(figures, `${name}.${part}`)),
    ]),
  );
}

/** A line for each setting; in it, figure by figure, the values of what is compared beside each other. */
function benchTable(
  { compared = '', name: benchmark, shown }: Alternative,
  rows: readonly BenchRow[] | undefined,
  figures: Figures,
): string {
  if (rows === undefined || rows.length === 0) return NOT_MEASURED;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const isText = (column: string): boolean => rows.some((row) => typeof row[column] === 'string');
  const texts = columns.filter((column) => isText(column) && column !== compared);
  const ways = [...new Set(rows.map((row) => row[compared] ?? ''))];
  const settingOf = (row: BenchRow): string => texts.map((column) => row[column] ?? '').join(', ');
  return table(
    [
      texts.map(columnTitle).join(', '),
      ...shown.flatMap((column) => ways.map((way) => `${way} ${columnTitle(column)}`.trim())),
    ],
    [...new Set(rows.map(settingOf))].map((setting) => [
      setting,
      ...shown.flatMap((column) =>
        ways.map((way) => {
          const row = rows.find((known) => settingOf(known) === setting && (known[compared] ?? '') === way);
          return row === undefined ? '' : cell(figures, `${rowName(benchmark, row)}.${column}`);
        }),
      ),
    ]),
  );
}

/** Says below a table what marks some of its lines, if it does. */
function withNote(text: string): string {
  return text.includes(DOUBTFUL)
    ? `${text}\n\n${DOUBTFUL} In one of the runs the load itself was late, or had no CPU left: its latencies are partly its own.`
    : text;
}

function figure(figures: Figures, name: string): string {
  const value = figures.get(name);
  return value === undefined ? NOT_MEASURED : describeFigure(name, value);
}

function cell(figures: Figures, name: string): string {
  const value = figures.get(name);
  return value === undefined ? '' : describeCell(name, value);
}

/** The median, and from where to where the runs were. */
function spread(figures: Figures, name: string): string {
  const value = figures.get(name);
  if (value === undefined) return NOT_MEASURED;
  const least = describeCell(name, figures.get(`${name}.min`) ?? value);
  const most = describeCell(name, figures.get(`${name}.max`) ?? value);
  const text = describeCell(name, value);
  return least === most ? text : `${text} (${least} to ${most})`;
}
