/** The ways in which a coordinator asks replicas, for tests that go over all of them. */
import type { Replication } from '../../src/config.ts';
import type { HedgingOptions } from '../../src/coordinator/hedging.ts';

export const REPLICATIONS: readonly Replication[] = ['parallel', 'sequential', 'hedged'];

/** Of a node that hedges as often as it likes. */
export function hedgingOf(nodeId: string): HedgingOptions {
  return { nodeId, delays: { minMs: 1, maxMs: 20 }, budget: 1 };
}
