/**
 * Wires a node: over the identity the clock and whether the data is whole; the replica over the engine; the RPC server
 * and mesh; the coordinator over both; HTTP on top. It stops in the opposite order: node/drain.ts.
 */
import { recordSizeBytes } from '../../native-free-lsm/index.ts';
import { formatAddress } from '../address.ts';
import { type Clock, drawBytes, systemClock, systemRandom } from '../clock.ts';
import { ClusterView } from '../cluster/cluster-view.ts';
import { type TopologyNode, topologyDigest } from '../cluster/topology.ts';
import { Conditions } from '../conditions.ts';
import type { NodeSettings } from '../config.ts';
import { Coordinator } from '../coordinator/coordinator.ts';
import { QuorateError } from '../errors.ts';
import { HttpServer, type HttpServerOptions } from '../http/server.ts';
import { HybridClock } from '../hybrid-clock.ts';
import { FolderProgress } from '../replica/folder-progress.ts';
import { FolderWholeness } from '../replica/folder-wholeness.ts';
import type { IdentityStore } from '../replica/identity-store.ts';
import { PeerRequests } from '../replica/peer-requests.ts';
import { Replica } from '../replica/replica.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import { encodeClock } from '../rpc/clock-message.ts';
import type { ClusterSecret } from '../rpc/cluster-secret.ts';
import { RpcMesh } from '../rpc/mesh.ts';
import { CLOCK } from '../rpc/operation-table.ts';
import { RpcServer } from '../rpc/server.ts';
import { TcpTransport } from '../rpc/tcp-transport.ts';
import { MAX_KEY_BYTES } from '../services.ts';
import { ClockWatch } from './clock-watch.ts';
import { clusterSecretOf } from './cluster-secret.ts';
import { CurrentView } from './current-view.ts';
import { closeDataFolder, failStart, openDataFolder } from './data-folder.ts';
import { type DrainParts, drainInOrder } from './drain.ts';
import { createHandshakePolicy } from './handshake.ts';
import { watchIdentity } from './identity.ts';
import { LoopDelayMonitor } from './loop-delay.ts';
import type { NodeOptions } from './options.ts';
import { Readiness } from './readiness.ts';
import { nodeStatus, type StatusSources } from './status.ts';

const NO_KEY = new Uint8Array(0);

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
  readonly #cluster: CurrentView;
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
    this.#options = options;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#here = view.nodes[view.indexOf(options.nodeId)];

    const conditions = new Conditions({ clock, log });
    const wholeness = new FolderWholeness(store, topology.nodes.length, log, conditions);
    const maxRecordBytes = recordSizeBytes(maxValueBytes, true);
    const limits = { maxKeyBytes: MAX_KEY_BYTES, maxRecordBytes };
    const replica = new Replica({ engine, wholeness, timestamps, clock, log, ...limits });

    const peerRequests = new PeerRequests(replica, () => encodeClock(timestamps.time.reading()));
    const isMember = (nodeId: string): boolean => this.#cluster.has(nodeId);
    const identity = { clusterId, topologyDigest: topologyDigest(topology), maxValueBytes, isMember };
    const dialled = createHandshakePolicy(identity, wholeness, () => this.#onDialled());
    const accepted = createHandshakePolicy(identity, wholeness, (nodeId) => this.#onDialledBy(nodeId));
    const rpc = { credentials: { secret, drawBytes }, transport, clock, log };
    this.#server = new RpcServer({ ...rpc, handler: peerRequests, policy: accepted });
    const { requestTimeoutMs } = settings;
    this.#mesh = new RpcMesh({ ...rpc, policy: dialled, random, requestTimeoutMs });
    this.#cluster = new CurrentView(view, options.nodeId, replica, this.#mesh);

    const { time: ownTime } = timestamps;
    this.#clockWatch = new ClockWatch({
      clock,
      time: ownTime,
      ask: (nodeId, timeoutMs, sink, position) =>
        this.#mesh.ask(CLOCK, nodeId, NO_KEY, timeoutMs, sink, position),
      peerIds: () => this.#cluster.peerIds,
      conditions,
      log,
    });
    this.#timestamps = timestamps;

    const coordinator = new Coordinator({
      replicas: this.#cluster,
      timestamps,
      writerId: writerIdOf(store.current.incarnation),
      clock,
      timeoutMs: requestTimeoutMs,
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
      cluster: this.#cluster,
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
    const { wholeness } = this.#status;
    const { peerIds } = this.#cluster;
    await this.#server.listen(rpc.host, rpc.port);
    this.rpcAddress = formatAddress({ host: rpc.host, port: this.#server.port });
    this.#mesh.start();
    this.#clockWatch.measureSoon();
    const isLinked = (id: string): boolean => this.#dialledBy.has(id) && this.#mesh.isUp(id);
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
