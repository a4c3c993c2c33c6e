/** When nobody asks for anything any more, nodes hold nothing of what was asked: queues and memory are bounded. Pure. */
import type { Violation } from '../history.ts';

const CHECK = 'nothing is left at rest';

/** What the parts of a node have in hand. */
export interface NodeRest {
  readonly machine: string;
  /** Requests that are answered, and whose replicas have not all said something. */
  readonly unsettled: number;
  /** Reads and writes of its replica. */
  readonly inReplica: number;
  /** Questions to peers. */
  readonly inFlight: number;
  readonly queuedBytes: number;
  readonly openDescriptors: number;
}

export interface ClusterRest {
  readonly nodes: readonly NodeRest[];
  /** Both ends of each. */
  readonly openStreams: number;
  /** Ends of which the other one is closed. What a machine that lost its power had open is silent for a while. */
  readonly loneEnds: number;
  readonly pendingTimers: number;
}

/** Nodes ask each other for their clocks and compare what they have, at rest too. */
const MAX_BACKGROUND = 64;
const MAX_QUEUED_BYTES = 64 * 1024;
/** Tables, logs and manifest. */
const MAX_DESCRIPTORS = 200;
/** As many connections as a node keeps from another one, but for the one that is in use. */
const MAX_LONE_ENDS = 3;
const MAX_TIMERS_OF_A_NODE = 200;

export function checkRest({ loneEnds, nodes, openStreams, pendingTimers }: ClusterRest): Violation[] {
  const sentences: string[] = [];
  const atMost = (most: number, count: number, what: string): void => {
    if (count > most) sentences.push(`${count} ${what}, and ${most} at most are right`);
  };
  for (const { inFlight, inReplica, machine, openDescriptors, queuedBytes, unsettled } of nodes) {
    atMost(0, unsettled, `requests of ${machine} are not settled`);
    atMost(MAX_BACKGROUND, inReplica, `reads and writes are in the replica of ${machine}`);
    atMost(MAX_BACKGROUND * nodes.length, inFlight, `questions of ${machine} to its peers are under way`);
    atMost(MAX_QUEUED_BYTES, queuedBytes, `bytes for peers wait in ${machine}`);
    atMost(MAX_DESCRIPTORS, openDescriptors, `files are open in ${machine}`);
  }
  // Each node dials each other one, and a stream has two ends.
  const ways = nodes.length * (nodes.length - 1);
  atMost(2 * ways, openStreams, 'ends of streams are open');
  atMost(MAX_LONE_ENDS * ways, loneEnds, 'ends of streams are open whose other end is closed');
  atMost(MAX_TIMERS_OF_A_NODE * nodes.length, pendingTimers, 'timers are set');
  return sentences.map((sentence) => ({ check: CHECK, sentence, requests: [] }));
}
