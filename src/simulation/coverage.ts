/** How often each kind of fault met each kind of request: one of that kind was under way while the fault held. */
import {
  FaultKind,
  PlannedCondition,
  type PlannedFault,
  type PlannedRequest,
  RequestMethod,
} from './plan/plan.ts';

/** A fault that is over at once counts for what is under way so shortly after it. */
const SHORTEST_MS = 20;

const TrafficKind = {
  get: 'GET',
  put: 'PUT',
  delete: 'DELETE',
  linearizableRead: 'linearizable GET',
  linearizableWrite: 'linearizable PUT, DELETE',
  conditionalRead: 'conditional GET',
  conditionalPut: 'conditional PUT',
  conditionalDelete: 'conditional DELETE',
  ttl: 'PUT with ttl',
  linearizableTtl: 'linearizable PUT with ttl',
  explained: 'explained',
  scan: 'scan',
} as const;
type TrafficKind = (typeof TrafficKind)[keyof typeof TrafficKind];

export const TRAFFIC_KINDS: readonly TrafficKind[] = Object.values(TrafficKind);
const FAULT_KINDS: readonly FaultKind[] = Object.values(FaultKind);

const PLAIN_KINDS = { GET: TrafficKind.get, PUT: TrafficKind.put, DELETE: TrafficKind.delete } as const;
const CONDITIONAL_KINDS = {
  GET: TrafficKind.conditionalRead,
  PUT: TrafficKind.conditionalPut,
  DELETE: TrafficKind.conditionalDelete,
} as const;

interface Held {
  readonly kind: FaultKind;
  readonly beganMs: number;
  endedMs: number;
}

interface UnderWay {
  readonly request: PlannedRequest;
  readonly calledMs: number;
  readonly answeredMs: number;
}

export class Coverage {
  /** By fault and request. */
  readonly #counts = new Map<string, number>();
  readonly #held = new Map<PlannedFault, Held>();

  beginFault(fault: PlannedFault, nowMs: number): void {
    this.#held.set(fault, { kind: fault.kind, beganMs: nowMs, endedMs: Number.POSITIVE_INFINITY });
  }

  endFault(fault: PlannedFault, nowMs: number): void {
    const held = this.#held.get(fault);
    if (held !== undefined) held.endedMs = Math.max(nowMs, held.beganMs + SHORTEST_MS);
  }

  /** Counts the requests of the run whose faults it has. */
  addRequests(asked: readonly UnderWay[]): void {
    for (const { answeredMs, calledMs, request } of asked) {
      const kinds = trafficKindsOf(request);
      for (const { beganMs, endedMs, kind } of this.#held.values()) {
        if (beganMs > answeredMs || endedMs < calledMs) continue;
        for (const traffic of kinds) this.#add(kind, traffic, 1);
      }
    }
  }

  /** Adds what another run has met. */
  add(other: Coverage): void {
    for (const [pair, count] of other.#counts) this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + count);
  }

  count(fault: FaultKind, traffic: TrafficKind): number {
    return this.#counts.get(pairOf(fault, traffic)) ?? 0;
  }

  /** Pairs that never met. */
  get gaps(): readonly string[] {
    return FAULT_KINDS.flatMap((fault) =>
      TRAFFIC_KINDS.filter((traffic) => this.count(fault, traffic) === 0).map((traffic) =>
        pairOf(fault, traffic),
      ),
    );
  }

  /** For `fromCounts`, in another thread. */
  toCounts(): readonly (readonly [string, number])[] {
    return [...this.#counts];
  }

  static fromCounts(counts: readonly (readonly [string, number])[]): Coverage {
    const coverage = new Coverage();
    for (const [pair, count] of counts) coverage.#counts.set(pair, count);
    return coverage;
  }

  #add(fault: FaultKind, traffic: TrafficKind, count: number): void {
    const pair = pairOf(fault, traffic);
    this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + count);
  }
}

function pairOf(fault: FaultKind, traffic: TrafficKind): string {
  return `${fault}: ${traffic}`;
}

function trafficKindsOf({
  condition,
  isExplained,
  isLinearizable,
  kind,
  ttlMs,
}: PlannedRequest): TrafficKind[] {
  if (kind === RequestMethod.scan) return [TrafficKind.scan];
  const isRead = kind === RequestMethod.get;
  const kinds: TrafficKind[] = [];
  if (isLinearizable) kinds.push(isRead ? TrafficKind.linearizableRead : TrafficKind.linearizableWrite);
  else kinds.push(PLAIN_KINDS[kind]);
  if (condition !== PlannedCondition.none) kinds.push(CONDITIONAL_KINDS[kind]);
  if (ttlMs > 0) kinds.push(isLinearizable ? TrafficKind.linearizableTtl : TrafficKind.ttl);
  if (isExplained) kinds.push(TrafficKind.explained);
  return kinds;
}
