/**
 * The composition root: the one file that wires a node. Identity, then the engine; the clock and the standing in
 * the cluster over the identity; the replica over the engine; the RPC server and mesh; the coordinator over
 * both; HTTP on top.
 */
import { join } from 'node:path';
import { hashBytes, RecordStore } from '../native-free-lsm/index.ts';
import { type Clock, type Random, systemClock, systemRandom } from './clock.ts';
import { Placement } from './cluster/placement.ts';
import { formatAddress } from './cluster/address.ts';
import { type Topology, type TopologyNode, topologyDigest } from './cluster/topology.ts';
import type { NodeSettings } from './config.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import { NodeReplicaSet } from './coordinator/replica-set.ts';
import { QuorateError } from './errors.ts';
import { HttpServer } from './http/server.ts';
import { HybridClock } from './hybrid-clock.ts';
import type { Log } from './log.ts';
import { LoopDelayMonitor } from './loop-delay.ts';
import { createHandshakePolicy } from './node-handshake.ts';
import { nodeState, nodeStatus, type StatusSources } from './node-status.ts';
import { createIdentity, ENGINE_FOLDER, inspectFolder } from './replica/identity.ts';
import { IdentityStore } from './replica/identity-store.ts';
import { Replica } from './replica/replica.ts';
import { Standing } from './replica/standing.ts';
import type { StorageEngine } from './replica/storage-engine.ts';
import { storageError } from './replica/storage-fault.ts';
import { RpcMesh } from './rpc/mesh.ts';
import { RpcServer } from './rpc/server.ts';
import { TcpTransport } from './rpc/tcp-transport.ts';

export const MAX_KEY_BYTES = 4096;
/** Header of a record, and of the operation around it in the log. */
const RECORD_OVERHEAD_BYTES = 64;
/** How long a start waits to hear from the peers whether this node's folder is new or was emptied. */
const SETTLE_MS = 500;

export interface NodeOptions {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly topology: Topology;
  readonly dataDirectory: string;
  readonly settings: NodeSettings;
  readonly log: Log;
  /** The node cannot go on (its identity file cannot be written): it has stopped taking requests. */
  readonly onFault?: (error: Error) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Another store than the LSM engine: benchmarks and simulations. */
  readonly openStorage?: (directory: string, settings: NodeSettings) => Promise<StorageEngine>;
}

export interface RunningNode extends AsyncDisposable {
  readonly httpUrl: string;
  readonly rpcAddress: string;
  /**
   * Takes no more requests, ends those in flight, syncs, closes.
   * @param signal its abort ends what is in flight
   */
  drain(signal?: AbortSignal): Promise<void>;
}

/**
 * Starts a node and resolves once it serves.
 * @throws QuorateError or LsmError with a sentence for people; what was started is closed again
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { clusterId, dataDirectory, log, nodeId, settings, topology } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const self = topology.nodes.findIndex(({ id }) => id === nodeId);
  if (self === -1) throw new QuorateError('INVALID_CONFIG', `the topology has no node ${nodeId}`);
  await using started = new AsyncDisposableStack();

  const found = await inspectFolder(dataDirectory, { clusterId, nodeId });
  const newIdentity = { clusterId, nodeId, nowMs: clock.nowMs(), random, whole: 'unproven', clockCeiling: 0 } as const;
  const identity = found ?? (await createIdentity(dataDirectory, newIdentity));
  const engine = await (options.openStorage ?? openEngine(log))(join(dataDirectory, ENGINE_FOLDER), settings);
  started.defer(() => engine.close());
  let failed = false;
  const store = new IdentityStore(dataDirectory, identity, (error) => {
    failed = true;
    log.error(`The node stops: ${error.message}`);
    options.onFault?.(error);
  });
  started.defer(() => (failed ? undefined : store.settled()));
  const timestamps = await HybridClock.open({
    clock,
    ceiling: identity.clockCeiling,
    reserve: (clockCeiling) => store.update({ clockCeiling }),
    maxDriftMs: settings.maxClockDriftMs,
  });
  const standing = new Standing(store, topology.nodes.length, log);
  const maxRecordBytes = settings.maxValueBytes + RECORD_OVERHEAD_BYTES;
  const replica = new Replica({
    engine,
    standing,
    timestamps,
    clock,
    maxKeyBytes: MAX_KEY_BYTES,
    maxRecordBytes,
    log,
  });

  const memberIds = new Set(topology.nodes.map(({ id }) => id));
  const digest = topologyDigest(topology);
  const { maxValueBytes } = settings;
  const policy = createHandshakePolicy({ clusterId, topologyDigest: digest, maxValueBytes, memberIds }, standing);
  const transport = new TcpTransport();
  const mesh = new RpcMesh({
    peers: topology.nodes.map((node, i) => (i === self ? null : { nodeId: node.id, ...node.rpc })),
    policy,
    transport,
    clock,
    random,
    log,
  });
  started.defer(() => {
    mesh.abort();
    return mesh.close();
  });
  const rpc = new RpcServer({
    handler: {
      read: (key, _timeoutMs, sink, token) => replica.read(key, sink, token),
      write: (key, record, sink, token) => replica.writeFromPeer(key, record, sink, token),
      readVersion: (key, _timeoutMs, sink, token) => replica.readVersion(key, sink, token),
    },
    policy: {
      ...policy,
      accepted: (hello) => {
        policy.accepted(hello);
        mesh.peerSeen(hello.nodeId);
      },
    },
    transport,
    clock,
    log,
  });
  started.defer(() => {
    rpc.abort();
    return rpc.close();
  });

  const coordinator = new Coordinator({
    nodeIds: topology.nodes.map(({ id }) => id),
    placement: new Placement(topology.nodes, topology.placement),
    replicas: new NodeReplicaSet(self, replica, mesh),
    timestamps,
    writerId: writerIdOf(nodeId),
    clock,
    timeoutMs: settings.requestTimeoutMs,
  });
  const loopDelay = started.use(new LoopDelayMonitor());
  let isDraining = false;
  const sources: StatusSources = {
    nodeId,
    incarnation: identity.incarnation,
    topology,
    engine,
    replica,
    standing,
    mesh,
    loopDelay,
    startedMs: clock.nowMs(),
  };
  const status = () => nodeStatus(sources, isDraining, clock.nowMs());
  const http = createHttp(topology.nodes[self], settings, coordinator, replica, { status }, clock, log);
  started.defer(() => http[Symbol.asyncDispose]());

  await rpc.listen(topology.nodes[self].rpc.host, topology.nodes[self].rpc.port);
  mesh.start();
  await Promise.race([standing.settled, new Promise<void>((resolve) => clock.after(SETTLE_MS, resolve))]);
  await http.listen();
  if (nodeState(sources, false) === 'joining') log.warn('No majority of the cluster has been reached yet');

  const parts = started.move();
  const close = async (signal?: AbortSignal): Promise<void> => {
    isDraining = true;
    await http.drain(signal);
    coordinator.close();
    await parts.disposeAsync();
  };
  let closing: Promise<void> | undefined;
  const drain = (signal?: AbortSignal): Promise<void> => {
    closing ??= close(signal);
    return closing;
  };
  const { http: httpAddress, rpc: rpcEndpoint } = topology.nodes[self];
  return {
    httpUrl: `http://${formatAddress({ host: httpAddress.host, port: http.port })}`,
    rpcAddress: formatAddress({ host: rpcEndpoint.host, port: rpc.port }),
    drain,
    [Symbol.asyncDispose]: () => drain(AbortSignal.abort()),
  };
}

function openEngine(log: Log): (directory: string, settings: NodeSettings) => Promise<StorageEngine> {
  return async (directory, settings) => {
    const maxRecordBytes = settings.maxValueBytes + MAX_KEY_BYTES + RECORD_OVERHEAD_BYTES;
    try {
      return RecordStore.open(
        directory,
        {
          durability: settings.durability,
          syncIntervalMs: settings.syncIntervalMs,
          maxRecordBytes,
          memtableBytes: Math.max(settings.memtableBytes, Math.ceil((2 * maxRecordBytes) / 8) * 8),
          blockCacheBytes: settings.blockCacheBytes,
          readers: Math.max(1, settings.readers),
          writeStallTimeoutMs: settings.requestTimeoutMs,
          // Another replica may still hold what was deleted: see the brief word in ARCHITECTURE.md.
          dropTombstonesBelow: 0,
        },
        { report: (message) => log.warn(message) },
      );
    } catch (error) {
      throw storageError(error);
    }
  };
}

function createHttp(
  node: TopologyNode,
  settings: NodeSettings,
  coordinator: Coordinator,
  replica: Replica,
  status: { status(): Record<string, unknown> },
  clock: Clock,
  log: Log,
): HttpServer {
  return new HttpServer(
    { entities: coordinator, ranges: replica, status },
    {
      host: node.http.host,
      port: node.http.port,
      maxValueBytes: settings.maxValueBytes,
      maxKeyBytes: MAX_KEY_BYTES,
      maxRequestsInFlight: settings.maxRequestsInFlight,
      maxBytesInFlight: settings.maxBytesInFlight,
      headersTimeoutMs: settings.headersTimeoutMs,
      requestTimeoutMs: settings.bodyTimeoutMs,
      keepAliveTimeoutMs: settings.keepAliveTimeoutMs,
      rangeTimeoutMs: settings.rangeTimeoutMs,
    },
    clock,
    { debug: () => undefined, error: (message) => log.error(message) },
  );
}

/** 32 bits that tell this node's versions from those another issued at the same time. */
function writerIdOf(nodeId: string): number {
  const bytes = Buffer.from(nodeId);
  return hashBytes(bytes, 0, bytes.length);
}
