/** A node's life: it opens its folder, starts its core, lets clients in by its doors, and drains. */
import { formatAddress } from '../address.ts';
import { type Clock, systemClock } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import { FolderProgress } from '../replica/folder-progress.ts';
import type { ClusterSecret } from '../rpc/cluster-secret.ts';
import type { NodeServices } from '../services.ts';
import { clusterSecretOf } from './cluster-secret.ts';
import { NodeCore } from './core.ts';
import { closeDataFolder, type DataFolder, failStart, openDataFolder } from './data-folder.ts';
import { Doors } from './doors.ts';
import { type DrainParts, drainInOrder } from './drain.ts';
import { watchIdentity } from './identity.ts';
import { LoopDelayMonitor } from './loop-delay.ts';
import type { NodeOptions } from './options.ts';
import { NodeProfiler } from './profiling/node-profiler.ts';
import { Readiness } from './readiness.ts';
import { type NodeState, nodeState, nodeStatus } from './status.ts';

export interface RunningNode extends AsyncDisposable {
  /** Where clients reach it: one for each door, in their order. */
  readonly doorAddresses: readonly string[];
  readonly rpcAddress: string;
  /** What its doors call; a program that runs the node in its own process may call it too. */
  readonly services: NodeServices;
  /** As its status says it. */
  readonly state: NodeState;
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
  const { topology } = options;
  const clock = options.clock ?? systemClock;
  if (topology.nodes.every(({ id }) => id !== options.nodeId)) {
    throw new QuorateError('INVALID_CONFIG', `the topology has no node ${options.nodeId}`);
  }
  const secret = clusterSecretOf(options);
  const folder = await openDataFolder(options, clock);
  let node: Node;
  try {
    node = new Node(options, clock, folder, secret);
  } catch (error) {
    return failStart(error, options.log, () => closeDataFolder(folder.engine, folder.store));
  }
  try {
    await node.start();
    if (node.fault !== null) throw node.fault;
  } catch (error) {
    // A node that has stopped by itself meanwhile failed because of that, whatever step noticed it.
    return failStart(node.fault ?? error, options.log, () => node.drain(AbortSignal.abort()));
  }
  return node;
}

class Node implements RunningNode {
  /** Known once it listens. */
  rpcAddress = '';
  /** Why it has stopped by itself. */
  fault: Error | null = null;
  readonly services: NodeServices;
  readonly #options: NodeOptions;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #core: NodeCore;
  readonly #doors: Doors;
  readonly #profiler: NodeProfiler;
  readonly #loopDelay: LoopDelayMonitor;
  readonly #parts: DrainParts;
  /** Aborted by the first of those who wait for the drain that loses its patience. */
  readonly #impatience = new AbortController();
  /** Peers that have connected since the start. */
  readonly #dialledBy = new Set<string>();
  #readiness: Readiness | null = null;
  #isQuiescing = false;
  #draining: Promise<void> | null = null;

  constructor(options: NodeOptions, clock: Clock, folder: DataFolder, secret: ClusterSecret) {
    this.#options = options;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    const core = new NodeCore(options, clock, folder, secret, {
      onDialled: () => this.#onDialled(),
      onDialledBy: (nodeId) => this.#onDialledBy(nodeId),
    });
    this.#core = core;
    const { log, nodeId, settings } = options;
    this.#profiler = new NodeProfiler({ nodeId, engine: core.engine, clock, log });
    this.services = {
      entities: core.coordinator,
      ranges: core.replica,
      status: this,
      repairs: core.antiEntropy,
      profiles: settings.allowProfiling ? this.#profiler : null,
    };
    this.#doors = Doors.create(options.doors, {
      ...this.services,
      admission: core.admission,
      clock,
      log,
    });
    // What goes on by itself is begun last: nothing after it can fail.
    this.#loopDelay = new LoopDelayMonitor(options.everyTurn);
    const isSynced = settings.durability === 'sync';
    const progress = new FolderProgress({ ...folder, clock, isSynced });
    this.#parts = { ...core, clock, doors: this.#doors, profiler: this.#profiler, progress };
    core.store.failed.then((fault) => this.#stopFor(fault));
    watchIdentity(core.store, core.replica, core.conditions);
  }

  get doorAddresses(): readonly string[] {
    return this.#doors.addresses;
  }

  async start(): Promise<void> {
    const {
      antiEntropy,
      bootstrap,
      clockWatch,
      cluster,
      here,
      mesh,
      multicast,
      peerHttp,
      server,
      timestamps,
      wholeness,
    } = this.#core;
    const { host, port } = here.rpc;
    // A write that comes before what was promised is known might break a promise.
    await antiEntropy.load();
    await this.#core.repair.start();
    // What they come to is told in the handshakes, which begin with the next line.
    await peerHttp?.server.listen(host);
    await multicast?.open();
    await server.listen(host, port);
    this.rpcAddress = formatAddress({ host, port: server.port });
    mesh.start();
    clockWatch.measureSoon();
    bootstrap.start();
    antiEntropy.start();
    const { peerIds } = cluster;
    const isLinked = (id: string): boolean => this.#dialledBy.has(id) && mesh.isUp(id);
    this.#readiness = new Readiness({ wholeness, timestamps, peerIds, isLinked }, this.#clock);
    await this.#readiness.reached;
    await this.#doors.listen();
    if (!wholeness.isKnown)
      this.#options.log.warn(
        'Not every other node has been heard yet, so this new data folder counts for no read',
      );
  }

  get state(): NodeState {
    return nodeState(this.#core, this.#isDraining);
  }

  status(): Record<string, unknown> {
    const uptimeMs = this.#clock.monotonicMs() - this.#startedMs;
    return nodeStatus(this.#core, this.#loopDelay, this.#isDraining, uptimeMs);
  }

  get #isDraining(): boolean {
    return this.#isQuiescing || this.#draining !== null;
  }

  quiesce(signal: AbortSignal): Promise<void> {
    this.#isQuiescing = true;
    this.#core.mesh.expectDepartures();
    void this.#profiler.close();
    return this.#doors.drain(signal);
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
    this.#core.clockWatch.measureSoon();
    this.#core.antiEntropy.onPeerUp();
    this.#readiness?.check();
  }

  #onDialledBy(nodeId: string): void {
    this.#dialledBy.add(nodeId);
    this.#core.mesh.peerSeen(nodeId);
    this.#readiness?.check();
  }

  async #stopFor(fault: Error): Promise<void> {
    this.fault = fault;
    this.#options.log.error(`The node stops: ${fault.message}`);
    try {
      await this.drain();
    } catch {
      // The drain fails of the same fault.
    }
    this.#options.onFault?.(fault);
  }
}
