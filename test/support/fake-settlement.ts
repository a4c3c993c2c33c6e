/** What a request has come to, made by hand: for those who live from settlements. */
import { FailureCode } from '../../src/failure.ts';
import { Outcome } from '../../src/outcome.ts';
import { ReplicaState, RequestKind, type Settlement } from '../../src/settlement.ts';

export interface FakeReplicaState {
  readonly node: string;
  readonly state: keyof typeof ReplicaState;
  readonly failure?: FailureCode;
}

export function settledRead(
  key: string,
  replicas: readonly FakeReplicaState[],
  writtenFrom = replicas.length,
): Settlement {
  return { ...settlementOf(RequestKind.read, key, replicas), writtenFrom };
}

export function settledWrite(key: string, replicas: readonly FakeReplicaState[], timestamp = 10): Settlement {
  return settlementOf(RequestKind.write, key, replicas, timestamp);
}

function settlementOf(
  kind: RequestKind,
  key: string,
  replicas: readonly FakeReplicaState[],
  timestamp = 10,
): Settlement {
  return {
    kind,
    key: Buffer.from(key),
    outcome: Outcome.ok,
    ack: 1,
    from: replicas.length,
    timestamp,
    writer: 1,
    writtenFrom: 0,
    isConflict: false,
    nodeIdOf: (position) => replicas[position].node,
    stateOf: (position) => ReplicaState[replicas[position].state],
    timestampOf: () => 0,
    writerOf: () => 0,
    failureOf: (position) => replicas[position].failure ?? FailureCode.none,
    noteFollowUp: () => undefined,
    answeredAfterMs: () => -1,
  };
}
