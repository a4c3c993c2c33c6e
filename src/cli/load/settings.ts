/** The flags of `load`, and the plan that they come to. */
import { type Address, formatAddress } from '../../address.ts';
import { choice, duration, integer, size, text, toggle } from '../../config/setting.ts';
import type { SettingsTable } from '../../config.ts';
import { QuorateError } from '../../errors.ts';
import type { QuorumSettings } from '../quorum-settings.ts';
import { KEY_CHOICES, type KeyChoiceName } from './key-choice.ts';
import { type OperationShares, sharesOf } from './operation-mix.ts';
import type { LoadConsistency, LoadPlan } from './plan.ts';
import {
  WORKLOAD_NAMES,
  WORKLOADS,
  type WorkloadName,
  YCSB_KEY_DIGITS,
  YCSB_MAX_SCAN_ENTRIES,
  YCSB_VALUE_BYTES,
} from './workloads.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const MIB = 2 ** 20;
const MAX_SEED = 2 ** 32 - 1;
const MAX_KEYS = 1_000_000_000;
const MAX_CONNECTIONS = 20_000;
const MAX_RATE = 10_000_000;
const MAX_THREADS = 64;
const METHODS = ['put', 'get', 'delete', 'mixed'] as const;
type Method = (typeof METHODS)[number];
const CONSISTENCIES: readonly LoadConsistency[] = ['default', 'linearizable'];
const WORKLOAD_OR_NONE = ['none', ...WORKLOAD_NAMES] as const;

export interface LoadSettings {
  readonly targets: readonly Address[];
  readonly ratePerSecond: number | undefined;
  readonly connections: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly threads: number;
  readonly seed: number;
}

export interface RequestSettings {
  readonly method: Method;
  readonly mix: OperationShares;
  readonly keys: number;
  readonly keyChoice: KeyChoiceName;
  readonly valueBytes: number | undefined;
  readonly consistency: LoadConsistency;
  readonly workload: (typeof WORKLOAD_OR_NONE)[number];
}

interface SearchSettings {
  readonly findRate: boolean;
  readonly sloMs: number;
}

export interface ReportSettings {
  readonly spectrum: boolean;
  readonly jsonFile: string | undefined;
  readonly hgrmFile: string | undefined;
  readonly htmlFile: string | undefined;
  /** Files of earlier runs that the page draws too. */
  readonly overlayFiles: readonly string[];
}

const DEFAULT_TARGET = 'http://127.0.0.1:19234';

export const loadSettings: SettingsTable<LoadSettings> = {
  targets: {
    flag: 'url',
    placeholder: '<urls>',
    help: 'nodes to ask, separated by commas; connections go to them in turn',
    defaultValue: parseTargets(DEFAULT_TARGET),
    parse: parseTargets,
    format: (targets) => targets.map((target) => `http://${formatAddress(target)}`).join(','),
  },
  ratePerSecond: integer(
    'rate',
    undefined,
    1,
    MAX_RATE,
    'requests a second that are due (default: closed loop)',
  ),
  connections: integer('connections', 64, 1, MAX_CONNECTIONS, 'each with one request at a time'),
  durationMs: duration('duration', 10 * SECOND, SECOND / 10, 24 * HOUR, 'how long requests are measured'),
  warmUpMs: duration('warmup', 2 * SECOND, 0, HOUR, 'how long requests are sent before that'),
  threads: integer('threads', 1, 1, MAX_THREADS, 'threads that send them'),
  seed: integer('seed', 1, 0, MAX_SEED, 'the sequence of requests follows from it'),
};

export const requestSettings: SettingsTable<RequestSettings> = {
  method: choice<Method>('method', 'get', METHODS, 'kind of request'),
  mix: {
    flag: 'mix',
    placeholder: '<shares>',
    help: 'parts of each kind with --method mixed',
    defaultValue: sharesOf({ get: 90, put: 10 }),
    parse: parseMix,
    format: () => 'get=90,put=10',
  },
  keys: integer('keys', 100_000, 1, MAX_KEYS, 'how many keys: key1 to keyN'),
  keyChoice: choice<KeyChoiceName>('key-choice', 'uniform', KEY_CHOICES, 'how a request chooses its key'),
  valueBytes: {
    ...size('value-size', 0, 1, 16 * MIB, 'random bytes in each value (default: value1 to value1000)'),
    defaultValue: undefined,
  },
  consistency: choice<LoadConsistency>('consistency', 'default', CONSISTENCIES, 'what requests may see'),
  workload: choice('workload', 'none', WORKLOAD_OR_NONE, 'a core workload of YCSB instead of the above'),
};

export const searchSettings: SettingsTable<SearchSettings> = {
  findRate: toggle('find-rate', 'look for the highest rate that holds'),
  sloMs: duration('slo', SECOND, 1, HOUR, 'what the p99 has to stay below for a rate to hold'),
};

export const reportSettings: SettingsTable<ReportSettings> = {
  spectrum: toggle('latency', 'print the whole percentile spectrum too'),
  jsonFile: text('json', '<file>', undefined, 'write the result there, for programs'),
  htmlFile: text('html', '<file>', undefined, 'write a page with charts there'),
  overlayFiles: {
    flag: 'overlay',
    placeholder: '<files>',
    help: 'earlier --json files that the page draws over the run, separated by commas',
    defaultValue: [],
    parse: (input) => input.split(',').map((file) => file.trim()),
    format: (files) => files.join(','),
  },
  hgrmFile: text('hgrm', '<file>', undefined, "write the spectrum there, for HdrHistogram's plotter"),
};

/** @param given which of the request's settings were given: a workload brings its own */
export function planOf(
  load: LoadSettings,
  request: RequestSettings,
  { ack, from }: QuorumSettings,
): LoadPlan {
  const { ratePerSecond = 0, ...rest } = load;
  const { consistency, keyChoice, keys, method, mix, valueBytes, workload } = request;
  const said = { ack, from, consistency };
  const common = { ...rest, ratePerSecond, keys, ...said, maxScanEntries: YCSB_MAX_SCAN_ENTRIES };
  if (load.threads > load.connections)
    throw new QuorateError(
      'INVALID_CONFIG',
      `--threads ${load.threads} is more than --connections ${load.connections}: each thread needs one`,
    );
  if (workload !== 'none') {
    const { keyChoice, shares } = WORKLOADS[workload satisfies WorkloadName];
    return {
      ...common,
      shares,
      keyChoice,
      keyDigits: YCSB_KEY_DIGITS,
      valueBytes: valueBytes ?? YCSB_VALUE_BYTES,
    };
  }
  const shares = method === 'mixed' ? mix : sharesOf({ [method]: 1 });
  return { ...common, shares, keyChoice, keyDigits: 0, valueBytes: valueBytes ?? 0 };
}

function parseTargets(input: string): readonly Address[] {
  return input.split(',').map((part) => {
    const url = URL.parse(part.trim());
    if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '') {
      throw new QuorateError(
        'INVALID_CONFIG',
        `expected URLs such as ${DEFAULT_TARGET}, separated by commas`,
      );
    }
    const port = url.port === '' ? 80 : Number(url.port);
    return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port };
  });
}

/** `get=90,put=10`: parts of any sum. */
function parseMix(input: string): OperationShares {
  const shares: Partial<Record<'get' | 'put' | 'delete', number>> = {};
  for (const part of input.split(',')) {
    const match = /^ *(get|put|delete) *= *(\d+(?:\.\d+)?) *$/.exec(part);
    if (match === null || shares[match[1] as 'get'] !== undefined)
      throw new QuorateError('INVALID_CONFIG', 'expected parts such as get=90,put=8,delete=2, each once');
    shares[match[1] as 'get'] = Number(match[2]);
  }
  if (Object.values(shares).every((share) => share === 0))
    throw new QuorateError('INVALID_CONFIG', 'expected at least one part above 0');
  return sharesOf(shares);
}
