/**
 * Makes the plan of a run from its seed. Each seed draws which kinds of faults and requests it has at all: runs with few
 * kinds go deeper than runs with all of them ("swarm testing"). Pure but for the random numbers, which the seed gives.
 */
import { type Random, seededRandom } from '../../clock.ts';
import {
  type ClusterShape,
  FaultKind,
  type Plan,
  PlannedCondition,
  type PlannedFault,
  type PlannedRequest,
  RequestMethod,
} from './plan.ts';

/**
 * So many that the start of a cluster and its healing, which each run pays for, cost less than what clients ask. They
 * ask for few keys, so that requests meet each other.
 */
const MIN_REQUESTS = 60;
const MAX_REQUESTS = 600;
const NODE_COUNTS = [3, 3, 3, 3, 3, 4, 4, 5, 5, 6, 7];
const MAX_TTL_MS = 1_500;
const REGISTERS = 3;
/** Of keys that clients use. */
const BEFORE_ALL_KEYS = 'k';
const READ_CONDITIONS = [PlannedCondition.changed, PlannedCondition.changed, PlannedCondition.seen];
const WRITE_CONDITIONS = [PlannedCondition.absent, PlannedCondition.present, PlannedCondition.seen];
/** Between two requests of a burst, and between two bursts. */
const BURST_GAP_MS = 3;
const PAUSE_MS = 300;
/** So many of these fill a memtable now and then. */
const MAX_PADDING_BYTES = 7_000;
/**
 * Of the runs with three nodes, one in so many has rounds by a schedule, and when a node has come back. They go over all
 * 65,536 slots, which makes a run ten times as dear; what a round does in a slot is in all runs.
 */
const SCHEDULED_NODES = 3;
const SCHEDULE_SHARE = 1 / 20;
const MIN_INTERVAL_MS = 500;
const MAX_INTERVAL_MS = 3_000;

type DrawnShape = Omit<ClusterShape, 'antiEntropyIntervalMs'>;

export function makePlan(seed: number): Plan {
  const random = seededRandom(seed);
  // The first numbers of small seeds are much alike.
  for (let i = 0; i < 8; i++) random();
  const shape = clusterShape(random);
  const durationMs = 1_500 + Math.floor(random() * 3_000);
  const requests = plannedRequests(random, shape, durationMs);
  const faults = plannedFaults(random, shape, durationMs);
  const repairEveryMs = pick(random, [0, 0, 1_000]);
  const antiEntropyIntervalMs =
    shape.nodes === SCHEDULED_NODES && random() < SCHEDULE_SHARE
      ? MIN_INTERVAL_MS + Math.floor(random() * (MAX_INTERVAL_MS - MIN_INTERVAL_MS))
      : 0;
  const cluster = { ...shape, antiEntropyIntervalMs };
  return { seed, cluster, requests, faults, repairEveryMs, durationMs };
}

function clusterShape(random: Random): DrawnShape {
  const nodes = pick(random, NODE_COUNTS);
  return {
    nodes,
    zones: pick(random, [1, 1, 2, 3]),
    placement: pick(random, ['any', 'any', 'spread', 'near']),
    replication: pick(random, ['hedged', 'hedged', 'parallel', 'sequential']),
    memtableBytes: pick(random, [64, 64, 256]) * 1024,
    // With short ones much is settled while there are faults.
    requestTimeoutMs: pick(random, [300, 1_000]),
    maxClockDriftMs: pick(random, [100, 500]),
  };
}

/** How the clients of a run ask. */
interface Habits {
  readonly kinds: readonly RequestMethod[];
  /** The usual quorums of writes and of reads, which overlap, and how often another one is taken. */
  readonly usual: { readonly writeAck: number; readonly readAck: number; readonly from: number };
  readonly otherQuorums: number;
  readonly keys: number;
  readonly largeValues: number;
  readonly linearizable: number;
  readonly repairsLater: number;
  readonly conditions: number;
  readonly ttl: number;
  readonly scans: number;
  readonly explained: number;
}

function plannedRequests(random: Random, cluster: DrawnShape, durationMs: number): PlannedRequest[] {
  const habits = drawHabits(random, cluster);
  const count = MIN_REQUESTS + Math.floor(random() * (MAX_REQUESTS - MIN_REQUESTS));
  const requests: PlannedRequest[] = [];
  let atMs = 0;
  while (requests.length < count && atMs < durationMs) {
    const burst = 1 + Math.floor(random() * 12);
    for (let i = 0; i < burst; i++) {
      requests.push(plannedRequest(random, cluster, habits, requests.length, atMs));
      atMs += random() * BURST_GAP_MS;
    }
    atMs += random() * Math.min(PAUSE_MS, (2 * durationMs * burst) / count);
  }
  return requests;
}

function drawHabits(random: Random, { nodes }: DrawnShape): Habits {
  const from = random() < 0.7 ? Math.min(3, nodes) : 1 + Math.floor(random() * nodes);
  const often = (): number => (random() < 0.5 ? 0 : random() * 0.6);
  // Where reads ask one replica alone, and writes all, whatever is wrong with one replica is seen.
  const writeAck = pick(random, [majorityOf(from), majorityOf(from), majorityOf(from), from]);
  return {
    kinds: pick(random, [
      [RequestMethod.put, RequestMethod.get],
      [RequestMethod.put, RequestMethod.get, RequestMethod.get, RequestMethod.delete],
      [RequestMethod.put, RequestMethod.put, RequestMethod.put, RequestMethod.delete],
      [RequestMethod.put, RequestMethod.get, RequestMethod.get, RequestMethod.get],
    ]),
    usual: { writeAck, readAck: Math.min(majorityOf(from), from + 1 - writeAck), from },
    otherQuorums: often(),
    keys: 1 + Math.floor(random() * 8),
    largeValues: pick(random, [0.02, 0.1, 0.5]),
    linearizable: often(),
    repairsLater: often(),
    conditions: often(),
    ttl: often(),
    scans: pick(random, [0, 0.03, 0.15]),
    explained: often() / 2,
  };
}

function plannedRequest(
  random: Random,
  cluster: DrawnShape,
  habits: Habits,
  id: number,
  atMs: number,
): PlannedRequest {
  if (random() < habits.scans) return drawnScan(random, cluster, habits, id, atMs);
  const kind = pick(random, habits.kinds);
  const isRead = kind === RequestMethod.get;
  const from = 1 + Math.floor(random() * cluster.nodes);
  const other = { from, ack: 1 + Math.floor(random() * from) };
  const { readAck, writeAck, from: usualFrom } = habits.usual;
  const usual = { ack: isRead ? readAck : writeAck, from: usualFrom };
  const isUsual = random() >= habits.otherQuorums && random() >= habits.otherQuorums;
  const isRegister = random() < habits.linearizable;
  const key = Math.floor(random() * habits.keys);
  const condition = pick(random, isRead ? READ_CONDITIONS : WRITE_CONDITIONS);
  const isConditional = random() < habits.conditions;
  const paddingBytes =
    random() < habits.largeValues ? Math.floor(random() * MAX_PADDING_BYTES) : Math.floor(random() * 40);
  const ttlMs =
    random() < habits.ttl && kind === RequestMethod.put ? 1 + Math.floor(random() * MAX_TTL_MS) : 0;
  return {
    id,
    atMs,
    kind,
    node: Math.floor(random() * cluster.nodes),
    // What is read and written as a register is not written in another way: that would promise nothing.
    key: isRegister ? `register${key % REGISTERS}` : `key${key}`,
    endKey: null,
    paddingBytes,
    ...(isRegister ? { ack: majorityOf(usualFrom), from: usualFrom } : isUsual ? usual : other),
    isLinearizable: isRegister,
    repairsLater: isRead && !isRegister && random() < habits.repairsLater,
    condition: isConditional ? condition : PlannedCondition.none,
    ttlMs,
    // The value tells which write a read of a register has seen, and an explanation has none.
    isExplained: random() < habits.explained && !(isRead && isRegister),
  };
}

function drawnScan(
  random: Random,
  cluster: DrawnShape,
  habits: Habits,
  id: number,
  atMs: number,
): PlannedRequest {
  const key = `key${Math.floor(random() * habits.keys)}`;
  return {
    ...plannedScan(id),
    atMs,
    node: Math.floor(random() * cluster.nodes),
    key: pick(random, [BEFORE_ALL_KEYS, BEFORE_ALL_KEYS, key]),
    endKey: pick(random, [null, null, `register${Math.floor(random() * REGISTERS)}`]),
  };
}

/** Of all that the first node has. */
export function plannedScan(id: number): PlannedRequest {
  return {
    id,
    atMs: 0,
    kind: RequestMethod.scan,
    node: 0,
    key: BEFORE_ALL_KEYS,
    endKey: null,
    paddingBytes: 0,
    ack: 1,
    from: 1,
    isLinearizable: false,
    repairsLater: false,
    condition: PlannedCondition.none,
    ttlMs: 0,
    isExplained: false,
  };
}

function majorityOf(from: number): number {
  return Math.floor(from / 2) + 1;
}

/** How likely a kind of fault is to be in a run, and how long it holds. */
interface FaultHabit {
  readonly kind: FaultKind;
  readonly share: number;
  readonly maxMs: number;
}

const FAULT_HABITS: readonly FaultHabit[] = [
  { kind: FaultKind.clockStep, share: 0.25, maxMs: 2_000 },
  { kind: FaultKind.clockDrift, share: 0.25, maxMs: 3_000 },
  { kind: FaultKind.partition, share: 0.35, maxMs: 2_500 },
  { kind: FaultKind.oneWayPartition, share: 0.3, maxMs: 2_500 },
  { kind: FaultKind.connectionsCut, share: 0.3, maxMs: 20 },
  { kind: FaultKind.lateBytes, share: 0.3, maxMs: 2_000 },
  { kind: FaultKind.slowLink, share: 0.25, maxMs: 2_000 },
  { kind: FaultKind.longDelay, share: 0.3, maxMs: 2_000 },
  { kind: FaultKind.fullBuffers, share: 0.2, maxMs: 2_000 },
  { kind: FaultKind.kill, share: 0.4, maxMs: 1_500 },
  { kind: FaultKind.powerLoss, share: 0.4, maxMs: 2_000 },
  { kind: FaultKind.freeze, share: 0.35, maxMs: 2_500 },
  { kind: FaultKind.restart, share: 0.25, maxMs: 1_500 },
  { kind: FaultKind.diskFull, share: 0.2, maxMs: 1_500 },
  { kind: FaultKind.failingCalls, share: 0.25, maxMs: 1_000 },
  { kind: FaultKind.failedSync, share: 0.2, maxMs: 1_500 },
  { kind: FaultKind.slowDisk, share: 0.25, maxMs: 2_000 },
  { kind: FaultKind.corruption, share: 0.06, maxMs: 1_000 },
  { kind: FaultKind.emptiedFolder, share: 0.12, maxMs: 1_000 },
  { kind: FaultKind.declaredWhole, share: 0.08, maxMs: 1_500 },
  { kind: FaultKind.oldCopy, share: 0.12, maxMs: 2_500 },
];
/** One run in so many has no faults. */
const CALM_SHARE = 0.03;

function plannedFaults(random: Random, cluster: DrawnShape, durationMs: number): PlannedFault[] {
  const isCalm = random() < CALM_SHARE;
  const fewer = 0.3 + random();
  const kinds = FAULT_HABITS.filter(({ share }) => random() < share * fewer);
  const drawn: Omit<PlannedFault, 'id'>[] = [];
  for (const { kind, maxMs } of kinds) {
    const count = 1 + Math.floor(random() * random() * 4);
    for (let i = 0; i < count; i++) {
      drawn.push({
        kind,
        atMs: Math.floor(random() * durationMs * 0.9),
        node: Math.floor(random() * cluster.nodes),
        durationMs: 10 + Math.floor(random() * maxMs),
        degree: random(),
      });
    }
  }
  if (isCalm) return [];
  drawn.sort((one, other) => one.atMs - other.atMs);
  return drawn.map((fault, id) => ({ id, ...fault }));
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)];
}
