/** Counts what requests have come to, for the status: where replicas lag behind, and why they give no answers. */
import { FailureCode, failureName, mayPass } from '../failure.ts';
import { ReplicaState, RequestKind, type Settlement, type SettlementSink } from '../settlement.ts';

/** How often a node's replica, when a request settled, ... */
interface ReplicaCounts {
  readonly id: string;
  /** ...had an older version than another replica: reads. */
  readonly stale: number;
  /** ...had none of a key that another replica has: reads. */
  readonly missing: number;
  /** ...kept a newer version than the one written. */
  readonly newer: number;
  /** ...had given no answer of use. */
  readonly failed: number;
  /** ...had given none in time. */
  readonly silent: number;
  /** ...had not been sent a write that others were: the write's time was over before it was its turn. */
  readonly unasked: number;
}

interface FailureCount {
  readonly code: string;
  /** Whether the same request may succeed later by itself. */
  readonly mayPass: boolean;
  readonly count: number;
}

interface SettlementFigures {
  /** Settled since the start. */
  readonly reads: number;
  readonly writes: number;
  /** Replicas that these reads asked. */
  readonly replicasRead: number;
  /** Of nodes that were not always up to date and answering. */
  readonly replicas: readonly ReplicaCounts[];
  /** Why replicas failed, or did not count. */
  readonly failures: readonly FailureCount[];
}

/** What the rule has decided that the last write wins. */
interface ConflictFigures {
  /** Acknowledged writes that had met a newer version of the same time by then: nobody reads them any more. */
  readonly acknowledged: number;
}

type Counted = keyof Omit<ReplicaCounts, 'id'>;

const COUNTED: ReadonlyMap<ReplicaState, Counted> = new Map([
  [ReplicaState.stale, 'stale'],
  [ReplicaState.missing, 'missing'],
  [ReplicaState.newer, 'newer'],
  [ReplicaState.failed, 'failed'],
  [ReplicaState.silent, 'silent'],
  [ReplicaState.unasked, 'unasked'],
]);

export class SettlementCounters implements SettlementSink {
  #reads = 0;
  #writes = 0;
  #replicasRead = 0;
  #conflicts = 0;
  readonly #replicas = new Map<string, Record<Counted, number>>();
  readonly #failures = new Map<number, number>();

  onSettled(settlement: Settlement): void {
    const isRead = settlement.kind === RequestKind.read;
    if (isRead) this.#reads++;
    else this.#writes++;
    if (settlement.isConflict) this.#conflicts++;
    for (let position = 0; position < settlement.from; position++) {
      const state = settlement.stateOf(position);
      // A hedged read has one as a rule, and a write without a version was sent to nobody.
      if (state === ReplicaState.unasked && (isRead || settlement.timestamp === 0)) continue;
      if (isRead) this.#replicasRead++;
      if (state !== ReplicaState.current) this.#countState(settlement.nodeIdOf(position), state);
      const failure = settlement.failureOf(position);
      if (failure !== FailureCode.none) this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
    }
  }

  conflicts(): ConflictFigures {
    return { acknowledged: this.#conflicts };
  }

  /** Settled since the start. */
  get requests(): number {
    return this.#reads + this.#writes;
  }

  figures(): SettlementFigures {
    return {
      reads: this.#reads,
      writes: this.#writes,
      replicasRead: this.#replicasRead,
      replicas: [...this.#replicas].map(([id, counts]) => ({ id, ...counts })),
      failures: [...this.#failures].map(([code, count]) => ({
        code: failureName(code),
        mayPass: mayPass(code),
        count,
      })),
    };
  }

  #countState(nodeId: string, state: ReplicaState): void {
    const counted = COUNTED.get(state);
    if (counted === undefined) return;
    let counts = this.#replicas.get(nodeId);
    if (counts === undefined) {
      counts = { stale: 0, missing: 0, newer: 0, failed: 0, silent: 0, unasked: 0 };
      this.#replicas.set(nodeId, counts);
    }
    counts[counted]++;
  }
}
