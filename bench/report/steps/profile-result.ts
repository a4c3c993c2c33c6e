/** What is kept of a profile. Pure. */
import type { Method, Replication } from '../scale.ts';

export interface ProfileResult {
  /** By name: of all nodes, a request. */
  readonly figures: Readonly<Record<string, number>>;
  /** Files of the step's folder that are published, in that form. */
  readonly files: readonly string[];
}

export function profileStepName(method: Method, replication: Replication): string {
  return `profile-${method}-${replication}`;
}
