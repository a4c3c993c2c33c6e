/** Turns what the nodes say of themselves into the lines of text that `status` prints. Pure. */
import { describeSize } from '../../config/units.ts';

export interface NodeReport {
  readonly id: string;
  readonly http: string;
  /** The JSON of the node's `GET /v0/status`; missing when the node did not answer. */
  readonly status?: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

const HEADINGS = [
  'node',
  'http',
  'state',
  'keys',
  'live',
  'on disk',
  'tables',
  'memtables',
  'cache',
  'table reads',
  'hints',
  'conflicts',
  'compared',
  'loop p99.9',
];
const UNKNOWN = '-';

/** A heading, and a row for each node. A node of another version may leave out fields that this one shows. */
export function statusRows(reports: readonly NodeReport[]): string[][] {
  return [HEADINGS, ...reports.map(rowOf)];
}

/** A line for each condition that keeps a node from doing all it should, in the node's own words. */
export function statusConditions(reports: readonly NodeReport[]): string[] {
  return reports.flatMap(({ id, status }) => {
    const { conditions } = recordOf(status?.node);
    if (!Array.isArray(conditions)) return [];
    return conditions.map(recordOf).map(({ code, message }) => `${id}  ${code}  ${message}`);
  });
}

/**
 * A line for each node that refuses another one, or is refused by it, with the reason: an operator must act on these.
 */
export function statusRefusals(reports: readonly NodeReport[]): string[] {
  return reports.flatMap(({ id, status }) => {
    if (!Array.isArray(status?.peers)) return [];
    const refused = status.peers.map(recordOf).filter(({ state }) => state === 'refused');
    return refused.map((peer) => `${id}  REFUSED  ${peer.id}: ${peer.lastError}`);
  });
}

/** Each column is as wide as its widest cell. The last cell of a row is not padded and widens no column. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (let column = 0; column < row.length - 1; column++) {
      widths[column] = Math.max(widths[column] ?? 0, row[column].length);
    }
  }
  const formatRow = (row: readonly string[]): string =>
    row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column]) : cell)).join('  ');
  return rows.map(formatRow).join('\n');
}

function rowOf({ id, http, status, error }: NodeReport): string[] {
  if (status === undefined) {
    return [id, http, `unreachable: ${error ?? 'no answer'}`];
  }
  const { state } = recordOf(status.node);
  const engine = recordOf(status.engine);
  const loop = recordOf(status.eventLoopDelay);
  return [
    id,
    http,
    typeof state === 'string' ? state : UNKNOWN,
    count(engine.estimatedKeys),
    size(engine.liveBytes),
    size(engine.diskBytes),
    Array.isArray(engine.tablesByLevel) ? levels(engine.tablesByLevel) : UNKNOWN,
    `${count(engine.memtables)} (${size(engine.memtableBytes)})`,
    hitRate(engine.cacheHits, engine.cacheMisses),
    readsByThread(recordOf(engine.tableReadsByThread)),
    count(recordOf(status.hints).keys),
    count(recordOf(status.conflicts).acknowledged),
    sinceCompared(recordOf(status.antiEntropy)),
    typeof loop.p999Ms === 'number' ? `${loop.p999Ms.toFixed(1)} ms` : UNKNOWN,
  ];
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** How long ago all slots that the node leads had been compared among all their owners. */
function sinceCompared({ lastFullRoundAgeMs }: Readonly<Record<string, unknown>>): string {
  if (typeof lastFullRoundAgeMs !== 'number') return UNKNOWN;
  const seconds = Math.round(lastFullRoundAgeMs / 1_000);
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

function count(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en-US') : UNKNOWN;
}

function size(value: unknown): string {
  return typeof value === 'number' ? describeSize(value) : UNKNOWN;
}

/** Table counts by level, `2/10/64`; empty levels below the last one that has tables are left out. */
function levels(tables: readonly unknown[]): string {
  const used = tables.findLastIndex((tablesOfLevel) => tablesOfLevel !== 0) + 1;
  return tables.slice(0, Math.max(1, used)).join('/');
}

function hitRate(hits: unknown, misses: unknown): string {
  if (typeof hits !== 'number' || typeof misses !== 'number' || hits + misses === 0) {
    return UNKNOWN;
  }
  return `${((100 * hits) / (hits + misses)).toFixed(1)} %`;
}

function readsByThread(reads: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(reads).map(([thread, blocks]) => `${thread} ${count(blocks)}`);
  return entries.length === 0 ? UNKNOWN : entries.join(', ');
}
