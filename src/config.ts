/**
 * All settings, each with its flag, unit, bounds, default and a line of help. Command line flags, QUORATE_ variables
 * and the manual are made from these tables (src/cli/options.ts).
 */
import type { Durability, EngineOptions } from '../native-free-lsm/index.ts';
import {
  choice,
  duration,
  integer,
  integerOrAuto,
  names,
  type SettingsTable,
  share,
  size,
  sizeOrAuto,
  text,
  toggle,
  url,
} from './config/setting.ts';
import { formatDuration, formatSize } from './config/units.ts';
import { QuorateError } from './errors.ts';
import type { LogLevel } from './log.ts';

export { environmentName, type Setting, type SettingsTable } from './config/setting.ts';

type Compression = EngineOptions['bottomCompression'];

/** As many as an engine can have. */
const MAX_READERS = 30;

/** `multicast` is experimental: a write is sent once, by IP multicast, and what is lost goes over RPC. */
type FanOut = 'unicast' | 'multicast';

const FAN_OUTS: readonly FanOut[] = ['unicast', 'multicast'];
const DURABILITIES: readonly Durability[] = ['sync', 'interval', 'none'];
/** Whether a node remembers writes that other replicas missed. */
type HintsMode = 'on' | 'off';
const HINTS_MODES: readonly HintsMode[] = ['on', 'off'];
/** By what nodes ask each other's replicas. */
type PeerProtocol = 'rpc' | 'http';

const PEER_PROTOCOLS: readonly PeerProtocol[] = ['rpc', 'http'];
const COMPRESSIONS: readonly Compression[] = ['none', 'lz4', 'zstd'];

/** How a coordinator asks a key's replicas: see `replication` below. */
export type Replication = 'parallel' | 'sequential' | 'hedged';
const REPLICATIONS: readonly Replication[] = ['parallel', 'sequential', 'hedged'];
const DEFAULT_REPLICATION: Replication = 'hedged';

/** Whether a read whose answers differ is answered before the newest version is brought to others, or after that. */
export type ReadRepair = 'write-back' | 'async';
export const READ_REPAIRS: readonly ReadRepair[] = ['write-back', 'async'];

/** The levels of src/log.ts, which is not loaded here because only nodes have a log. */
const LOG_LEVELS: readonly LogLevel[] = ['info', 'warn', 'error', 'silent'];

/** The settings of a node besides its place in the topology: its bounds of size, time and memory. */
export interface NodeSettings {
  readonly maxValueBytes: number;
  /** From the first byte of a client's request to its answer. */
  readonly requestTimeoutMs: number;
  /** How long a client may leave unread what the node holds for it. */
  readonly rangeTimeoutMs: number;
  /** A client that reads more slowly is cut off, sooner or later. */
  readonly minReadBytesPerSecond: number;
  readonly maxClockDriftMs: number;
  /** How often this node compares the slots that it leads with the other owners; 0: only on demand. */
  readonly antiEntropyIntervalMs: number;
  /** 0: the default for repair, and no bound for the refilling of a folder. */
  readonly repairBytesPerSecond: number;
  /**
   * `parallel`: all replicas at once. `sequential`: one after the other. `hedged`: writes as parallel, reads first as many
   * as have to answer, and others when one of these fails or is late.
   */
  readonly replication: Replication;
  readonly readRepair: ReadRepair;
  /** When a hedged read is late at the earliest and at the latest. */
  readonly hedgeMinDelayMs: number;
  readonly hedgeMaxDelayMs: number;
  /** The share of reads that may be hedged because they are late. */
  readonly hedgeBudget: number;
  readonly maxRequestsInFlight: number;
  /** The bodies of requests and answers together. */
  readonly maxBytesInFlight: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Measured over some seconds; a client that sends a body more slowly is refused. */
  readonly minBodyBytesPerSecond: number;
  readonly keepAliveTimeoutMs: number;
  readonly durability: Durability;
  /** Used by durability `interval` alone. */
  readonly syncIntervalMs: number;
  readonly memtableBytes: number;
  readonly blockCacheBytes: number;
  readonly compression: Compression;
  /** Threads that search tables; 0 lets the number of cores decide: see `readersFor`. */
  readonly readers: number;
  /** How a write reaches several replicas. */
  readonly fanOut: FanOut;
  /** Host names that are accepted besides the node's own. */
  readonly allowedHosts: readonly string[];
  readonly logLevel: LogLevel;
  readonly hints: HintsMode;
  readonly maxHintBytes: number;
  readonly maxHintAgeMs: number;
  readonly allowProfiling: boolean;
  readonly peerProtocol: PeerProtocol;
}

/** What `serve` and `fill` need to know of a cluster on one machine. */
export interface ClusterSettings {
  readonly nodes: number;
  /** HTTP port of the first node; each further node has the next port. */
  readonly port: number;
  readonly host: string;
  readonly dataDirectory: string;
  readonly restart: boolean;
}

/** Names the node of a real cluster to start or fill; undefined for a cluster on one machine. */
interface MemberSettings {
  readonly topologyFile: string | undefined;
  readonly nodeId: string | undefined;
}

/** The secret that the nodes of a cluster prove to each other. */
interface SecretSettings {
  /** Undefined: the file that the topology names, or the one in the data folder. */
  readonly secretFile: string | undefined;
}

/** What the commands need that are HTTP clients. */
export interface ClientSettings {
  readonly url: string;
}

/** The bound for a cluster on one machine. */
const MAX_LOCAL_NODES = 64;
const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const nodeSettings: SettingsTable<NodeSettings> = {
  maxValueBytes: size('max-value-size', MIB, 1, 16 * MIB, 'largest value that is stored'),
  requestTimeoutMs: duration('request-timeout', SECOND, 10, HOUR, 'how long a request may take'),
  rangeTimeoutMs: duration('range-timeout', 10 * SECOND, 10, HOUR, 'how long a scan may wait for its client'),
  minReadBytesPerSecond: size(
    'min-read-rate',
    8 * KIB,
    1,
    GIB,
    'bytes a second that a client must read of its scan',
  ),
  maxClockDriftMs: duration('max-clock-drift', 500, 0, HOUR, "how far the nodes' clocks may differ"),
  replication: choice('replication', DEFAULT_REPLICATION, REPLICATIONS, 'how a node asks the replicas'),
  readRepair: choice(
    'read-repair',
    'write-back',
    READ_REPAIRS,
    'write-back: a read whose answers differ first mends replicas',
  ),
  hedgeMinDelayMs: duration('hedge-min-delay', 1, 1, 10 * SECOND, 'no hedged read counts as late before'),
  hedgeMaxDelayMs: duration('hedge-max-delay', 100, 1, 10 * SECOND, 'every hedged read counts as late after'),
  hedgeBudget: share('hedge-budget', 0.05, 'hedges of late reads, as a share of all reads'),
  maxRequestsInFlight: integer('max-requests-in-flight', 8192, 1, 1_000_000, 'requests served or waiting'),
  maxBytesInFlight: size('max-bytes-in-flight', 64 * MIB, 64 * KIB, 16 * GIB, 'bytes in bodies and answers'),
  headersTimeoutMs: duration('headers-timeout', 10 * SECOND, 10, HOUR, 'how long sending headers may take'),
  bodyTimeoutMs: duration('body-timeout', 300 * SECOND, 10, HOUR, 'how long sending a request may take'),
  minBodyBytesPerSecond: size('min-body-rate', 4 * KIB, 1, GIB, 'bytes a second that a body must come with'),
  keepAliveTimeoutMs: duration(
    'keep-alive-timeout',
    60 * SECOND,
    10,
    HOUR,
    'when an idle connection is closed',
  ),
  durability: choice('durability', 'sync', DURABILITIES, 'when writes are synced'),
  syncIntervalMs: duration('sync-interval', 100, 1, HOUR, 'how often durability `interval` syncs'),
  memtableBytes: size('memtable-size', 12 * MIB, MIB, 256 * MIB, 'memory for writes, per memtable'),
  blockCacheBytes: size('block-cache-size', 48 * MIB, MIB, 4 * GIB, 'memory for blocks of tables'),
  compression: choice(
    'compression',
    'none',
    COMPRESSIONS,
    'of old data: lz4 takes less room, zstd the least, and more time to read',
  ),
  readers: integerOrAuto('readers', 1, MAX_READERS, 'threads of a node that search tables'),
  antiEntropyIntervalMs: duration(
    'anti-entropy-interval',
    10 * MINUTE,
    0,
    24 * HOUR,
    'how often replicas are compared; 0: only on demand',
  ),
  repairBytesPerSecond: sizeOrAuto(
    'repair-rate',
    64 * KIB,
    16 * GIB,
    'bytes a second that repair and refilling may move together',
  ),
  fanOut: choice(
    'fan-out',
    'unicast',
    FAN_OUTS,
    'how a write is sent to several nodes; multicast is experimental',
  ),
  allowedHosts: names('allow-host', 'names that lead to the node, besides its own, with commas between'),
  peerProtocol: choice(
    'peer-protocol',
    'rpc',
    PEER_PROTOCOLS,
    'how nodes talk to replicas of others; http is for comparison',
  ),
  logLevel: choice('log-level', 'warn', LOG_LEVELS, 'least serious message that is logged, to stderr'),
  hints: choice('hints', 'on', HINTS_MODES, 'remember what replicas missed, for when they are back'),
  maxHintBytes: size('max-hint-bytes', 256 * MIB, 64 * KIB, 64 * GIB, 'what hints may take on the disk'),
  maxHintAgeMs: duration(
    'max-hint-age',
    24 * HOUR,
    SECOND,
    30 * 24 * HOUR,
    'older hints are dropped; a stopped node counts no time',
  ),
  allowProfiling: toggle('allow-profiling', 'let programs on this machine profile the node: see `profile`'),
};

export const clusterSettings: SettingsTable<ClusterSettings> = {
  nodes: integer('nodes', 3, 1, MAX_LOCAL_NODES, 'how many nodes, each a process of its own'),
  port: integer('port', 19234, 1, 65_535, 'HTTP port of the first node; the others have the next ones'),
  host: text('host', '<address>', '127.0.0.1', 'address to listen on'),
  dataDirectory: text('data', '<folder>', './data', 'where each node has a folder'),
  restart: toggle('restart', 'bring back a node that died, at growing intervals'),
};

export const memberSettings: SettingsTable<MemberSettings> = {
  topologyFile: text('topology', '<file>', undefined, 'JSON file that lists the nodes of a real cluster'),
  nodeId: text('node', '<id>', undefined, 'which of its nodes to be'),
};

export const secretSettings: SettingsTable<SecretSettings> = {
  secretFile: text(
    'cluster-secret-file',
    '<file>',
    undefined,
    "the cluster's secret, the same for every node",
  ),
};

export const clientSettings: SettingsTable<ClientSettings> = {
  url: url('url', 'http://127.0.0.1:19234', 'any node of the cluster'),
};

export function defaultNodeSettings(): NodeSettings {
  const entries = Object.entries(nodeSettings).map(([name, setting]) => [name, setting.defaultValue]);
  return Object.fromEntries(entries) as NodeSettings;
}

/** Checks what no setting can check alone. */
export function checkNodeSettings(settings: NodeSettings): void {
  const largest = formatSize(settings.maxValueBytes);
  if (settings.maxBytesInFlight < settings.maxValueBytes) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `--max-bytes-in-flight must be at least --max-value-size (${largest}), or no value that large ever gets in`,
    );
  }
  if (settings.hedgeMaxDelayMs < settings.hedgeMinDelayMs) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `--hedge-max-delay must be at least --hedge-min-delay (${formatDuration(settings.hedgeMinDelayMs)})`,
    );
  }
  if (settings.fanOut === 'multicast' && settings.peerProtocol === 'http') {
    throw new QuorateError(
      'INVALID_CONFIG',
      '--fan-out multicast sends what is lost over RPC: it does not go with --peer-protocol http',
    );
  }
  if (settings.memtableBytes < 2 * settings.maxValueBytes) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `--memtable-size must be at least twice --max-value-size (${largest}), or such a value does not fit in`,
    );
  }
}

/** The cores that this machine has for each node, minus the one that the writer keeps busy; at least one reader. */
export function readersFor(settings: NodeSettings, cores: number, nodesOnMachine: number): number {
  if (settings.readers > 0) return settings.readers;
  return Math.min(Math.max(1, Math.floor(cores / nodesOnMachine) - 1), MAX_READERS);
}
