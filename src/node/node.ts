/**
 * The composition root: the one file that wires a node. Identity, then the engine; over the identity the
 * clock and whether the data is whole; the replica over the engine; the RPC server and mesh; the coordinator over both;
 * HTTP on top. It stops in the opposite order: node/drain.ts.
 */
import { join } from 'node:path';
import { LsmError, RecordStore, recordSizeBytes } from '../../native-free-lsm/index.ts';
import { formatAddress, isLoopback } from '../address.ts';
import { type Clock, drawBytes, type Random, systemClock, systemRandom } from '../clock.ts';
import { ClusterView } from '../cluster/cluster-view.ts';
import { type Topology, type TopologyNode, topologyDigest } from '../cluster/topology.ts';
import { Conditions } from '../conditions.ts';
import type { NodeSettings } from '../config.ts';
import { Coordinator } from '../coordinator/coordinator.ts';
import { NodeReplicaSet } from '../coordinator/replica-set.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import { ENTRY_ENCODER_MODULES } from '../http/entry-encoding.ts';
import { HttpServer, type HttpServerOptions } from '../http/server.ts';
import { HybridClock } from '../hybrid-clock.ts';
import type { Log } from '../log.ts';
import { type FolderFiles, nodeFolderFiles } from '../replica/folder-files.ts';
import { FolderProgress } from '../replica/folder-progress.ts';
import { FolderWholeness } from '../replica/folder-wholeness.ts';
import { claimFolder, ENGINE_FOLDER, hasHeldData, inspectFolder } from '../replica/identity.ts';
import { randomStartId } from '../replica/identity-file.ts';
import { IdentityStore } from '../replica/identity-store.ts';
import { PeerRequests } from '../replica/peer-requests.ts';
import { Replica } from '../replica/replica.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import { encodeClock } from '../rpc/clock-message.ts';
import { ClusterSecret } from '../rpc/cluster-secret.ts';
import { RpcMesh } from '../rpc/mesh.ts';
import { CLOCK } from '../rpc/operation-table.ts';
import { RpcServer } from '../rpc/server.ts';
import { TcpTransport } from '../rpc/tcp-transport.ts';
import type { Transport } from '../rpc/transport.ts';
import { ClockWatch } from './clock-watch.ts';
import { type DrainParts, drainInOrder } from './drain.ts';
import { createHandshakePolicy } from './handshake.ts';
import { passIfRefused, watchIdentity } from './identity.ts';
import { LoopDelayMonitor } from './loop-delay.ts';
import { Readiness } from './readiness.ts';
import { nodeStatus, type StatusSources } from './status.ts';

export const MAX_KEY_BYTES = 4096;
const NO_KEY = new Uint8Array(0);

type OpenStorage = (
  directory: string,
  settings: NodeSettings,
  createIfMissing: boolean,
) => Promise<StorageEngine>;

export interface NodeOptions {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly topology: Topology;
  /** What its nodes prove to each other that they know. Without one the node listens for RPC on loopback alone. */
  readonly clusterSecret?: string | undefined;
  /** This node's own; made when it is missing. */
  readonly dataDirectory: string;
  readonly settings: NodeSettings;
  readonly log: Log;
  /** The node could not go on (its identity file cannot be written) and has drained itself. */
  readonly onFault?: (error: Error) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly files?: FolderFiles;
  readonly transport?: Transport;
  /**
   * Another store than the LSM engine: benchmarks and simulations.
   * @param directory the engine's own, below the node's
   * @param createIfMissing false: the folder has held data before, and one that is missing is lost
   */
  readonly openStorage?: OpenStorage;
}

export interface RunningNode extends AsyncDisposable {
  readonly httpUrl: string;
  readonly rpcAddress: string;
  /**
   * Takes no more requests of clients and ends those in flight, while peers are answered as before: the first step
   * of stopping a whole cluster, in which every node's last requests need the others.
   * @param signal its abort ends what is in flight
   */
  quiesce(signal: AbortSignal): Promise<void>;
  /**
   * Takes no more requests, ends those in flight, syncs, closes. Once, however often it is called.
   * @param signal its abort ends what is in flight
   */
  drain(signal?: AbortSignal): Promise<void>;
}

/**
 * Starts a node and resolves once it serves.
 * @throws QuorateError with a sentence for people; what was started is closed again
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { settings, topology } = options;
  const clock = options.clock ?? systemClock;
  if (topology.nodes.every(({ id }) => id !== options.nodeId)) {
    throw new QuorateError('INVALID_CONFIG', `the topology has no node ${options.nodeId}`);
  }
  const secret = clusterSecretOf(options);
  const { engine, store } = await openDataFolder(options, clock);
  let node: Node;
  try {
    const timestamps = new HybridClock({
      clock,
      clusterSize: topology.nodes.length,
      ceiling: store.current.clockCeiling,
      reserve: (clockCeiling) => store.update({ clockCeiling }),
      maxDriftMs: settings.maxClockDriftMs,
    });
    node = new Node(options, clock, engine, store, timestamps, new ClusterView(topology, 1), secret);
  } catch (error) {
    return failStart(error, options.log, () => closeDataFolder(engine, store));
  }
  try {
    await node.start();
    if (node.fault !== null) throw node.fault;
  } catch (error) {
    // One that has stopped by itself meanwhile fails of that, whatever step met it.
    return failStart(node.fault ?? error, options.log, () => node.drain(AbortSignal.abort()));
  }
  return node;
}

/** Closes what was opened. Why the start failed is what counts: another fault while closing is said in the log. */
async function failStart(cause: unknown, log: Log, close: () => Promise<void>): Promise<never> {
  try {
    await close();
  } catch (error) {
    if (error !== cause) log.error(`What the start had opened did not close: ${errorMessage(error)}`);
  }
  throw cause;
}

interface DataFolder {
  readonly engine: StorageEngine;
  readonly store: IdentityStore;
}

/** Nothing is written to the identity once the engine's lock is given back. */
async function closeDataFolder(engine: StorageEngine, store: IdentityStore | undefined): Promise<void> {
  try {
    await store?.settled();
  } finally {
    await engine.close();
  }
}

async function openDataFolder(options: NodeOptions, clock: Clock): Promise<DataFolder> {
  const { clusterId, dataDirectory, nodeId, settings } = options;
  const { files = nodeFolderFiles, random = systemRandom } = options;
  const owner = { clusterId, nodeId };
  const before = await inspectFolder(dataDirectory, owner, files);
  if (before === null) {
    const fresh = { ...owner, nowMs: clock.nowMs(), random, whole: 'unproven', clockCeiling: 0 } as const;
    await claimFolder(dataDirectory, fresh, files);
  }
  const notice = await files.makePrivate(dataDirectory);
  if (notice !== null) options.log.warn(notice);
  const openStorage = options.openStorage ?? engineOpener(options.log);
  const engine = await openStorage(
    join(dataDirectory, ENGINE_FOLDER),
    settings,
    before === null || !hasHeldData(before),
  );
  let store: IdentityStore | undefined;
  try {
    // Again, now that the engine's lock is held: whoever held it may have raised the clock's ceiling meanwhile.
    const identity = await inspectFolder(dataDirectory, owner, files);
    if (identity === null)
      throw new QuorateError('STORAGE', `${dataDirectory} was emptied while the node started`);
    store = new IdentityStore(dataDirectory, identity, files, clock);
    // A record was on the disk, as the identity knows: this is another engine's folder, or an older copy of it.
    if (engine.newestTimestamp < identity.newestTimestamp) {
      await store.update({ whole: 'incomplete' }).catch(passIfRefused(store));
    }
    // On a disk that is full or mounted read-only the node serves what it has: see node/identity.ts.
    await store.begin(randomStartId(random)).catch(passIfRefused(store));
    return { engine, store };
  } catch (error) {
    return failStart(error, options.log, () => closeDataFolder(engine, store));
  }
}

function engineOpener(log: Log): OpenStorage {
  return async (directory, settings, createIfMissing) => {
    const maxRecordBytes = MAX_KEY_BYTES + recordSizeBytes(settings.maxValueBytes, true);
    const engineOptions = {
      createIfMissing,
      durability: settings.durability,
      syncIntervalMs: settings.syncIntervalMs,
      maxRecordBytes,
      // A node writes no batches: no memory for them.
      maxBatchBytes: maxRecordBytes,
      // The settings allow for two largest values, the engine asks for two largest records.
      memtableBytes: Math.max(settings.memtableBytes, Math.ceil((2 * maxRecordBytes) / 8) * 8),
      blockCacheBytes: settings.blockCacheBytes,
      bottomCompression: settings.compression,
      readers: Math.max(1, settings.readers),
      entryEncoders: ENTRY_ENCODER_MODULES,
      writeStallTimeoutMs: settings.requestTimeoutMs,
      // What was deleted here may still be on another node, and would come back from there.
      dropTombstonesBelow: 0,
    };
    try {
      return RecordStore.open(directory, engineOptions, { report: (message) => log.warn(message) });
    } catch (error) {
      // The engine's sentences say what to do as well.
      if (!(error instanceof LsmError)) throw error;
      const lost =
        error.code === 'NOT_FOUND'
          ? '. If it is lost, empty the whole data folder: the node then starts as a new one, and its peers know that it was not'
          : '';
      throw new QuorateError('STORAGE', `${error.message}${lost}`, error);
    }
  };
}

class Node implements RunningNode {
  /** Known once it listens. */
  httpUrl = '';
  rpcAddress = '';
  /** Why it has stopped by itself. */
  fault: Error | null = null;
  readonly #options: NodeOptions;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #here: TopologyNode;
  readonly #loopDelay: LoopDelayMonitor;
  readonly #server: RpcServer;
  readonly #mesh: RpcMesh;
  readonly #http: HttpServer;
  readonly #timestamps: HybridClock;
  readonly #clockWatch: ClockWatch;
  readonly #status: StatusSources;
  readonly #parts: DrainParts;
  /** Of whoever waits for the drain, whichever of them asked first. */
  readonly #impatience = new AbortController();
  /** Peers that have connected since the start. */
  readonly #dialledBy = new Set<string>();
  #readiness: Readiness | null = null;
  #isQuiescing = false;
  #draining: Promise<void> | null = null;

  constructor(
    options: NodeOptions,
    clock: Clock,
    engine: StorageEngine,
    store: IdentityStore,
    timestamps: HybridClock,
    view: ClusterView,
    secret: ClusterSecret,
  ) {
    const { clusterId, log, settings, topology } = options;
    const { random = systemRandom, transport = new TcpTransport() } = options;
    const { maxValueBytes } = settings;
    const self = topology.nodes.findIndex(({ id }) => id === options.nodeId);
    this.#options = options;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#here = topology.nodes[self];

    const conditions = new Conditions({ clock, log });
    const wholeness = new FolderWholeness(store, topology.nodes.length, log, conditions);
    const maxRecordBytes = recordSizeBytes(maxValueBytes, true);
    const limits = { maxKeyBytes: MAX_KEY_BYTES, maxRecordBytes };
    const replica = new Replica({ engine, wholeness, timestamps, clock, log, ...limits });

    const peerRequests = new PeerRequests(replica, () => encodeClock(timestamps.time.reading()));
    const memberIds = new Set(topology.nodes.map(({ id }) => id));
    const cluster = { clusterId, topologyDigest: topologyDigest(topology), maxValueBytes, memberIds };
    const dialled = createHandshakePolicy(cluster, wholeness, () => this.#onDialled());
    const accepted = createHandshakePolicy(cluster, wholeness, (nodeId) => this.#onDialledBy(nodeId));
    const peers = topology.nodes.map(({ id, rpc }, i) => (i === self ? null : { nodeId: id, ...rpc }));
    const rpc = { credentials: { secret, drawBytes }, transport, clock, log };
    this.#server = new RpcServer({ ...rpc, handler: peerRequests, policy: accepted });
    this.#mesh = new RpcMesh({ ...rpc, peers, policy: dialled, random });

    const others = topology.nodes.flatMap((_, i) => (i === self ? [] : [i]));
    const { time: ownTime } = timestamps;
    this.#clockWatch = new ClockWatch({
      clock,
      time: ownTime,
      ask: (node, timeoutMs, sink, position) =>
        this.#mesh.ask(CLOCK, node, NO_KEY, timeoutMs, sink, position),
      peers: others,
      conditions,
      log,
    });
    this.#timestamps = timestamps;

    const coordinator = new Coordinator({
      replicas: { current: new NodeReplicaSet(view, options.nodeId, replica, this.#mesh) },
      timestamps,
      writerId: writerIdOf(store.current.incarnation),
      clock,
      timeoutMs: settings.requestTimeoutMs,
    });
    const services = { entities: coordinator, ranges: replica, status: this };
    const httpLog = { debug: () => undefined, error: (message: string) => log.error(message) };
    this.#http = new HttpServer(services, httpOptions(this.#here, settings), clock, httpLog);
    const network = { http: this.#http, mesh: this.#mesh, server: this.#server };
    const isSynced = settings.durability === 'sync';
    // What goes on by itself is begun last: nothing after it can fail.
    const loopDelay = new LoopDelayMonitor();
    this.#loopDelay = loopDelay;
    this.#status = {
      topology,
      store,
      wholeness,
      engine,
      replica,
      ownTime,
      mesh: this.#mesh,
      loopDelay,
      conditions,
    };
    const progress = new FolderProgress({ engine, store, clock, isSynced });
    const clockWatch = this.#clockWatch;
    this.#parts = { ...network, clock, coordinator, clockWatch, peerRequests, progress, store, engine };
    store.failed.then((fault) => this.#stopFor(fault));
    watchIdentity(store, replica, conditions);
  }

  async start(): Promise<void> {
    const { http, rpc } = this.#here;
    const { wholeness, topology } = this.#status;
    await this.#server.listen(rpc.host, rpc.port);
    this.rpcAddress = formatAddress({ host: rpc.host, port: this.#server.port });
    this.#mesh.start();
    this.#clockWatch.measureSoon();
    const indexes = new Map(topology.nodes.map(({ id }, index) => [id, index]));
    const peerIds = [...indexes.keys()].filter((id) => id !== this.#here.id);
    const isLinked = (id: string): boolean =>
      this.#dialledBy.has(id) && this.#mesh.isUp(indexes.get(id) ?? -1);
    this.#readiness = new Readiness(
      { wholeness, timestamps: this.#timestamps, peerIds, isLinked },
      this.#clock,
    );
    await this.#readiness.reached;
    await this.#http.listen();
    this.httpUrl = `http://${formatAddress({ host: http.host, port: this.#http.port })}`;
    if (!wholeness.isKnown)
      this.#options.log.warn(
        'Not every other node has been heard yet, so this new data folder counts for no read',
      );
  }

  status(): Record<string, unknown> {
    const isDraining = this.#isQuiescing || this.#draining !== null;
    return nodeStatus(this.#status, isDraining, this.#clock.monotonicMs() - this.#startedMs);
  }

  quiesce(signal: AbortSignal): Promise<void> {
    this.#isQuiescing = true;
    this.#mesh.expectDepartures();
    return this.#http.drain(signal);
  }

  drain(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) this.#impatience.abort();
    else signal?.addEventListener('abort', () => this.#impatience.abort(), { once: true });
    this.#draining ??= drainInOrder(this.#parts, this.#impatience.signal).finally(() => {
      this.#loopDelay[Symbol.dispose]();
    });
    return this.#draining;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain(AbortSignal.abort());
  }

  #onDialled(): void {
    this.#clockWatch.measureSoon();
    this.#readiness?.check();
  }

  #onDialledBy(nodeId: string): void {
    this.#dialledBy.add(nodeId);
    this.#mesh.peerSeen(nodeId);
    this.#readiness?.check();
  }

  async #stopFor(fault: Error): Promise<void> {
    this.fault = fault;
    this.#options.log.error(`The node stops: ${fault.message}`);
    try {
      await this.drain();
    } catch {
      // That same fault, once more.
    }
    this.#options.onFault?.(fault);
  }
}

/** @throws QuorateError INVALID_CONFIG where a stranger could reach the RPC port, and there is no secret to tell him by */
function clusterSecretOf({ clusterSecret, log, nodeId, topology }: NodeOptions): ClusterSecret {
  if (clusterSecret !== undefined) return ClusterSecret.of(clusterSecret);
  const rpc = topology.nodes.find(({ id }) => id === nodeId)?.rpc;
  if (rpc !== undefined && !isLoopback(rpc.host)) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `node ${nodeId} is to listen for RPC on ${formatAddress(rpc)}, where anybody could read and write its data, as the cluster has no secret: make one with \`openssl rand -hex 32 > cluster.secret && chmod 600 cluster.secret\`, give the same to every node, and name the file as "secretFile" in the topology or with --cluster-secret-file`,
    );
  }
  log.info('The cluster has no secret: any program on this machine can speak to the RPC port');
  return ClusterSecret.none;
}

function httpOptions({ http }: TopologyNode, settings: NodeSettings): HttpServerOptions {
  return {
    host: http.host,
    port: http.port,
    allowedHosts: settings.allowedHosts,
    maxValueBytes: settings.maxValueBytes,
    maxKeyBytes: MAX_KEY_BYTES,
    maxRequestsInFlight: settings.maxRequestsInFlight,
    maxBytesInFlight: settings.maxBytesInFlight,
    headersTimeoutMs: settings.headersTimeoutMs,
    requestTimeoutMs: settings.bodyTimeoutMs,
    minBodyBytesPerSecond: settings.minBodyBytesPerSecond,
    keepAliveTimeoutMs: settings.keepAliveTimeoutMs,
    rangeTimeoutMs: settings.rangeTimeoutMs,
    minReadBytesPerSecond: settings.minReadBytesPerSecond,
    answerTimeoutMs: settings.requestTimeoutMs,
  };
}

/**
 * 32 bits that tell this node's versions from those another issued at the same time: of its folder's incarnation,
 * so that a node that lost its folder, and with it what it had reserved of time, cannot issue a version twice.
 */
function writerIdOf(incarnation: string): number {
  return Number.parseInt(incarnation.slice(0, 8), 16);
}
