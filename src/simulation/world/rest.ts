/** What the nodes of a cluster have in hand now, as their status says. */
import type { ClusterRest, NodeRest } from '../checks/at-rest.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Machine } from './machine.ts';

/** The part of `GET /v0/status` that is looked at. */
interface RestStatus {
  readonly requests: { readonly unsettled: number };
  readonly replica: { readonly readsInFlight: number; readonly writesInFlight: number };
  readonly peers: readonly { readonly inFlight: number; readonly queuedBytes: number }[];
}

/** Hints of a node that will never be delivered, as it says itself; infinite: it says nothing. */
interface HintStatus {
  readonly hints: Readonly<
    Record<'expired' | 'lost' | 'overflowed' | 'passedOnInVain' | 'undeliverable', number>
  >;
}

export function hintsLost({ serving }: Machine): number {
  const status = serving?.services.status.status() as HintStatus | undefined;
  if (status === undefined) return Number.POSITIVE_INFINITY;
  const { expired, lost, overflowed, passedOnInVain, undeliverable } = status.hints;
  return expired + lost + overflowed + passedOnInVain + undeliverable;
}

export function restOf({ machines, network, time }: SimulatedCluster): ClusterRest {
  return {
    nodes: machines.map(restOfNode),
    openStreams: network.openStreams - network.loneEnds,
    loneEnds: network.loneEnds,
    pendingTimers: time.pendingTimers,
  };
}

function restOfNode({ fs, id, serving }: Machine): NodeRest {
  const status = serving?.services.status.status() as RestStatus | undefined;
  const { peers, replica, requests } = status ?? NOTHING;
  return {
    machine: id,
    unsettled: requests.unsettled,
    inReplica: replica.readsInFlight + replica.writesInFlight,
    inFlight: peers.reduce((sum, { inFlight }) => sum + inFlight, 0),
    queuedBytes: peers.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0),
    openDescriptors: fs.openDescriptors,
  };
}

/** Of a machine that is down. */
const NOTHING: RestStatus = {
  requests: { unsettled: 0 },
  replica: { readsInFlight: 0, writesInFlight: 0 },
  peers: [],
};
