/** Keeps what each request has come to, as plain data that can be compared. */

import { failureName } from '../../src/failure.ts';
import type { Outcome } from '../../src/outcome.ts';
import { ReplicaState, RequestKind, type Settlement, type SettlementSink } from '../../src/settlement.ts';

export interface KeptSettlement {
  readonly kind: keyof typeof RequestKind;
  readonly key: string;
  readonly outcome: Outcome;
  /** `timestamp by writer`; empty: none. */
  readonly version: string;
  readonly isConflict: boolean;
  /** By position: `node: state, version, FAILURE`, what there is of these. */
  readonly replicas: readonly string[];
  /** By position; -1: no answer. */
  readonly answeredAfterMs: readonly number[];
}

const KINDS = new Map(
  Object.entries(RequestKind).map(([name, kind]) => [kind, name as keyof typeof RequestKind]),
);
const STATES = new Map<ReplicaState, string>(
  Object.entries(ReplicaState).map(([name, state]) => [state, name]),
);

export class KeptSettlements implements SettlementSink {
  readonly all: KeptSettlement[] = [];
  readonly #onKept: (settlement: KeptSettlement) => void;

  /** @param onKept is told of each as it comes */
  constructor(onKept: (settlement: KeptSettlement) => void = () => undefined) {
    this.#onKept = onKept;
  }

  onSettled(settlement: Settlement): void {
    const positions = Array.from({ length: settlement.from }, (_, position) => position);
    const kept: KeptSettlement = {
      kind: KINDS.get(settlement.kind) ?? 'read',
      key: Buffer.from(settlement.key).toString(),
      outcome: settlement.outcome,
      version: versionText(settlement.timestamp, settlement.writer),
      isConflict: settlement.isConflict,
      replicas: positions.map((position) => replicaText(settlement, position)),
      answeredAfterMs: positions.map((position) => settlement.answeredAfterMs(position)),
    };
    this.all.push(kept);
    this.#onKept(kept);
  }
}

export function versionText(timestamp: number, writer: number): string {
  return timestamp === 0 ? '' : `${timestamp} by ${writer}`;
}

function replicaText(settlement: Settlement, position: number): string {
  const failure = settlement.failureOf(position);
  const parts = [
    STATES.get(settlement.stateOf(position)),
    versionText(settlement.timestampOf(position), settlement.writerOf(position)),
    failure === 0 ? '' : failureName(failure),
  ];
  return `${settlement.nodeIdOf(position)}: ${parts.filter((part) => part !== '').join(', ')}`;
}
