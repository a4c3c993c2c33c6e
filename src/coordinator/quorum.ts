/** Quorum arithmetic, and nothing else. */

/** How many replicas must answer when the request does not say: more than half. */
export function defaultAck(from: number): number {
  return Math.floor(from / 2) + 1;
}

/**
 * What is wrong with a request's numbers, as a sentence for the client; undefined when nothing is wrong.
 * @param maxFrom how many nodes a preference list names: fewer than `nodes` in a large cluster
 */
export function quorumFault(ack: number, from: number, nodes: number, maxFrom: number): string | undefined {
  if (!Number.isSafeInteger(from) || from < 1)
    return `from must be a whole number of at least 1, not ${from}`;
  if (!Number.isSafeInteger(ack) || ack < 1) return `ack must be a whole number of at least 1, not ${ack}`;
  if (from > nodes) return `from is ${from}, but the cluster has ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
  if (from > maxFrom) return `from is ${from}, but a key has at most ${maxFrom} replicas`;
  if (ack > from) return `ack is ${ack}, more than the ${from} replicas that from asks for`;
  return undefined;
}

/** What keeps a request of these numbers from being linearizable, as a sentence; undefined when nothing does. */
export function linearizableFault(ack: number, from: number): string | undefined {
  if (2 * ack > from) return undefined;
  return `consistency=linearizable needs ack above half of from, so that all such requests have a replica in common: ack is ${ack}, from is ${from}`;
}
