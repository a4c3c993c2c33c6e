/** A load, as all that takes part in it see it. Plain data: it goes to threads as it is. Pure. */
import type { Address } from '../../address.ts';
import type { KeyChoiceName } from './key-choice.ts';
import type { OperationShares } from './operation-mix.ts';

/** What all requests but scans say of it: nothing, or that they are to be linearizable. */
export type LoadConsistency = 'default' | 'linearizable';

export interface LoadPlan {
  /** The nodes that are asked. Connections go to them in turn. */
  readonly targets: readonly Address[];
  readonly connections: number;
  /** Requests a second that are due over all connections; 0: closed loop, each asks again when it has its answer. */
  readonly ratePerSecond: number;
  /** Before anything counts. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly shares: OperationShares;
  readonly keys: number;
  readonly keyChoice: KeyChoiceName;
  /** Digits of a key's number, with zeros before it, so that keys sort as their numbers do; 0: as many as it has. */
  readonly keyDigits: number;
  /** 0: `value1` to `value1000`. */
  readonly valueBytes: number;
  readonly maxScanEntries: number;
  /** Left to the node where undefined. */
  readonly ack: number | undefined;
  readonly from: number | undefined;
  readonly consistency: LoadConsistency;
  readonly threads: number;
  readonly seed: number;
}

/** A thread's part of a load. */
export interface ThreadPlan extends LoadPlan {
  /** From 0. */
  readonly thread: number;
}

/** @returns the parts of all threads: connections and rate are divided, to the last connection and request */
export function divide(plan: LoadPlan): ThreadPlan[] {
  const { threads } = plan;
  return Array.from({ length: threads }, (_, thread) => {
    const connections = Math.floor((plan.connections + threads - 1 - thread) / threads);
    const ratePerSecond = (plan.ratePerSecond * connections) / plan.connections;
    return { ...plan, thread, connections, ratePerSecond };
  });
}
