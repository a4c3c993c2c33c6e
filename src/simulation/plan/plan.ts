/**
 * What happens in a run, as data: the cluster, the clients' requests and the faults, each with its time. All of it is
 * made before the run, so that some of it can be left out and the rest stays as it is. Plain data.
 */
import type { PlacementPolicy } from '../../cluster/placement.ts';
import type { Replication } from '../../config.ts';

/** A scan shows what one node has; the others ask replicas. */
export const RequestMethod = { get: 'GET', put: 'PUT', delete: 'DELETE', scan: 'scan' } as const;
export type RequestMethod = (typeof RequestMethod)[keyof typeof RequestMethod];

/** What a client can say in a condition: it does not choose a version, but takes one that it has seen. */
export const PlannedCondition = {
  none: 'none',
  /** Only where there is no value. */
  absent: 'absent',
  /** Only where there is a value. */
  present: 'present',
  /** Only where there still is the version that this client saw last. */
  seen: 'seen',
  /** Only where there is another version than that. */
  changed: 'changed',
} as const;
export type PlannedCondition = (typeof PlannedCondition)[keyof typeof PlannedCondition];

export interface PlannedRequest {
  readonly id: number;
  readonly atMs: number;
  readonly kind: RequestMethod;
  /** Who coordinates it; where that one is down, the next one that is not. */
  readonly node: number;
  /** Of a scan: where it begins. */
  readonly key: string;
  /** Of a scan: what it ends before; null: with the last key. */
  readonly endKey: string | null;
  /** How many bytes the value of a PUT has behind the number of its request. */
  readonly paddingBytes: number;
  readonly ack: number;
  readonly from: number;
  readonly isLinearizable: boolean;
  /** Of a GET: what is stale is repaired after its answer. */
  readonly repairsLater: boolean;
  readonly condition: PlannedCondition;
  /** Of a PUT; 0: it stays. */
  readonly ttlMs: number;
  /** How it went is asked for, too: it is answered once all have answered, and without the value. */
  readonly isExplained: boolean;
}

/** The table of faults (`faults.ts`) says what each does. */
export const FaultKind = {
  clockStep: 'clock is set',
  clockDrift: 'clock drifts',
  partition: 'partition',
  oneWayPartition: 'one-way partition',
  connectionsCut: 'connections cut',
  lateBytes: 'late bytes',
  slowLink: 'slow link',
  longDelay: 'long delay',
  fullBuffers: 'full buffers',
  kill: 'kill -9',
  powerLoss: 'power loss',
  freeze: 'freeze',
  restart: 'restart',
  diskFull: 'disk full',
  failingCalls: 'failing calls',
  failedSync: 'failed sync, restarted',
  slowDisk: 'slow disk',
  corruption: 'corruption',
  emptiedFolder: 'emptied folder',
  declaredWhole: 'emptied folder declared whole',
  oldCopy: 'old copy put back',
} as const;
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];

export interface PlannedFault {
  readonly id: number;
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Whom it meets. */
  readonly node: number;
  readonly durationMs: number;
  /** Where it could be more or less, in [0, 1). */
  readonly degree: number;
}

export interface ClusterShape {
  readonly nodes: number;
  readonly zones: number;
  readonly placement: PlacementPolicy;
  readonly replication: Replication;
  readonly memtableBytes: number;
  readonly requestTimeoutMs: number;
  readonly maxClockDriftMs: number;
  /** How often rounds go over all slots; 0: only over slots with keys, when they are asked for. */
  readonly antiEntropyIntervalMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly cluster: ClusterShape;
  /** In the order of time, faults and requests each. */
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly PlannedFault[];
  /** How often the owners of the keys compare what they hold while there are faults; 0: never. */
  readonly repairEveryMs: number;
  /** Then all faults end. */
  readonly durationMs: number;
}
