/**
 * Wires what a node does, below its doors: over the identity the clock, and whether the data is whole; the replica over
 * the engine; the RPC server and mesh; the coordinator over both; and what admits clients' requests to it. Nothing here
 * begins by itself: node.ts starts the parts, and drain.ts stops them.
 */
import { recordSizeBytes } from '../../native-free-lsm/index.ts';
import { Admission } from '../admission/admission.ts';
import { type Clock, systemBytes, systemRandom } from '../clock.ts';
import { ClusterView } from '../cluster/cluster-view.ts';
import { fingerprintSeedOf } from '../cluster/slots.ts';
import { type TopologyNode, topologyDigest } from '../cluster/topology.ts';
import { Conditions } from '../conditions.ts';
import { Coordinator } from '../coordinator/coordinator.ts';
import { SettlementCounters } from '../coordinator/settlement-counters.ts';
import { freshMsOf, writerIdOf } from '../expiry.ts';
import { HybridClock } from '../hybrid-clock.ts';
import { PeerHttp } from '../peer-http/peer-http.ts';
import { AntiEntropy } from '../replica/anti-entropy/anti-entropy.ts';
import type { Bootstrap } from '../replica/bootstrap/bootstrap.ts';
import { FolderWholeness } from '../replica/folder-wholeness.ts';
import { ForegroundPace } from '../replica/foreground-pace.ts';
import type { IdentityStore } from '../replica/identity-store.ts';
import { OwnRecords } from '../replica/own-records.ts';
import { PeerRequests } from '../replica/peer-requests.ts';
import { Replica } from '../replica/replica.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import { encodeClock } from '../rpc/clock-message.ts';
import type { ClusterSecret } from '../rpc/cluster-secret.ts';
import { RpcMesh } from '../rpc/mesh.ts';
import { Multicast } from '../rpc/multicast/multicast.ts';
import { udpTransport } from '../rpc/multicast/udp-transport.ts';
import { ANTI_ENTROPY, CLOCK, Feature } from '../rpc/operation-table.ts';
import { RpcServer } from '../rpc/server.ts';
import { TcpTransport } from '../rpc/tcp-transport.ts';
import { MAX_CLIENT_KEY_BYTES } from '../services.ts';
import { makeBootstrapping } from './bootstrapping.ts';
import { ClockWatch } from './clock-watch.ts';
import { CurrentView, type WayToReplicas } from './current-view.ts';
import type { DataFolder } from './data-folder.ts';
import { createHandshakePolicy } from './handshake.ts';
import type { NodeOptions } from './options.ts';
import { Repair } from './repair.ts';
import { RepairAccess } from './repair-access.ts';
import { repairThrottles } from './repair-rate.ts';
import { Settlements } from './settlements.ts';

/** A copy is waited for: while clients ask, it has two sevenths of its time. */
const COPY_PACE = { restShare: 2.5, maxRestMs: 250 };
/** Nobody waits for rounds: while clients ask, they have a twentieth of their time, each leader by itself. */
const ROUND_PACE = { restShare: 19, maxRestMs: 10_000 };
const NO_KEY = new Uint8Array(0);

/** Hears of handshakes. */
interface PeerListener {
  /** This node has reached a peer. */
  onDialled(): void;
  /** A peer has reached this node. */
  onDialledBy(nodeId: string): void;
}

export class NodeCore {
  readonly here: TopologyNode;
  readonly engine: StorageEngine;
  readonly store: IdentityStore;
  readonly conditions: Conditions;
  readonly timestamps: HybridClock;
  readonly wholeness: FolderWholeness;
  readonly replica: Replica;
  readonly bootstrap: Bootstrap;
  readonly ownRecords: OwnRecords;
  readonly antiEntropy: AntiEntropy;
  readonly peerRequests: PeerRequests;
  /** Null: writes are sent to each node by itself. */
  readonly multicast: Multicast | null;
  readonly server: RpcServer;
  readonly mesh: RpcMesh;
  /** Null: replicas are asked over RPC. */
  readonly peerHttp: PeerHttp | null;
  readonly cluster: CurrentView;
  readonly clockWatch: ClockWatch;
  readonly coordinator: Coordinator;
  readonly settlements = new SettlementCounters();
  readonly repair: Repair;
  readonly admission: Admission;

  constructor(
    options: NodeOptions,
    clock: Clock,
    { burial, engine, store, watermarks }: DataFolder,
    secret: ClusterSecret,
    listener: PeerListener,
  ) {
    const { clusterId, log, settings, topology } = options;
    const { drawBytes = systemBytes, random = systemRandom, transport = new TcpTransport() } = options;
    const { maxValueBytes, requestTimeoutMs } = settings;
    const view = new ClusterView(topology, 1);
    this.here = view.nodes[view.indexOf(options.nodeId)];
    this.engine = engine;
    this.store = store;
    this.conditions = new Conditions({ clock, log });
    this.timestamps = new HybridClock({
      clock,
      clusterSize: topology.nodes.length,
      ceiling: store.current.clockCeiling,
      reserve: (clockCeiling) => store.update({ clockCeiling }),
      maxDriftMs: settings.maxClockDriftMs,
    });
    this.wholeness = new FolderWholeness(store, topology.nodes.length, log, this.conditions, clock);
    this.ownRecords = new OwnRecords(engine);
    const { time } = this.timestamps;
    const freshMs = freshMsOf(topology.nodes.length, settings.maxClockDriftMs);
    burial.follow({ nowMs: () => (time.isKnown ? this.timestamps.nowMs() : 0) }, freshMs);
    const requests = (): number => this.peerRequests.received + this.admission.figures.admitted;
    const throttles = repairThrottles(clock, settings.repairBytesPerSecond);
    this.antiEntropy = new AntiEntropy({
      nodeId: options.nodeId,
      settings,
      owners: () => this.cluster.slotOwners,
      engine,
      fingerprintSeed: fingerprintSeedOf(clusterId),
      replica: () => this.replica,
      records: this.ownRecords,
      watermarks,
      basis: [store.current.incarnation, String(store.current.declaredMs), topologyDigest(topology)],
      wholeness: this.wholeness,
      ownTimeMs: () => (time.isKnown ? time.read() : 0),
      link: {
        isUp: (nodeId) => this.mesh.isUp(nodeId),
        ask: (nodeId, body, timeoutMs, sink, position) =>
          this.mesh.ask(ANTI_ENTROPY, nodeId, body, timeoutMs, sink, position),
      },
      clock,
      random,
      log,
      isCopying: () => this.bootstrap.isCopying,
      pace: new ForegroundPace({ clock, requests, ...ROUND_PACE }),
      throttle: throttles.repair,
      onSettled: (slots, timestamp) => this.bootstrap.onSettled(slots, timestamp),
    });
    this.replica = new Replica({
      engine,
      wholeness: this.wholeness,
      timestamps: this.timestamps,
      settlements: this.antiEntropy.writes,
      clock,
      log,
      maxKeyBytes: MAX_CLIENT_KEY_BYTES,
      maxRecordBytes: recordSizeBytes(maxValueBytes, true),
    });

    const { source, bootstrap } = makeBootstrapping({
      nodeId: options.nodeId,
      incarnation: store.current.incarnation,
      engine,
      wholeness: this.wholeness,
      ownRecords: this.ownRecords,
      timestamps: this.timestamps,
      settings,
      pace: new ForegroundPace({ clock, requests, ...COPY_PACE }),
      throttle: throttles.refill,
      rounds: this.antiEntropy,
      clock,
      random,
      log,
      later: this,
    });
    this.bootstrap = bootstrap;
    this.peerRequests = new PeerRequests(
      this.replica,
      this.antiEntropy,
      source,
      () => encodeClock(time.reading()),
      () => this.repair.hints,
    );
    const isMember = (nodeId: string): boolean => this.cluster.has(nodeId);
    this.peerHttp =
      settings.peerProtocol === 'http'
        ? new PeerHttp({ handler: this.peerRequests, clock, log, maxValueBytes })
        : null;
    const { datagrams = udpTransport } = options;
    const { conditions, here } = this;
    this.multicast =
      settings.fanOut === 'multicast'
        ? new Multicast({
            clusterId,
            self: { nodeId: here.id, ...here.rpc },
            secret,
            transport: datagrams,
            clock,
            random,
            log,
            onUnusable: (sentence) => conditions.raise('MULTICAST_OFF', sentence, false),
          })
        : null;
    const abilities = (): number => (this.multicast?.isOpen === true ? Feature.multicast : 0);
    const identity = {
      clusterId,
      topologyDigest: topologyDigest(topology),
      maxValueBytes,
      peerHttpPort: () => this.peerHttp?.server.port ?? 0,
      isMember,
      abilities,
    };
    const dialled = createHandshakePolicy(identity, this.wholeness, () => listener.onDialled());
    const accepted = createHandshakePolicy(identity, this.wholeness, (nodeId) =>
      listener.onDialledBy(nodeId),
    );
    const rpc = { credentials: { secret, drawBytes }, transport, clock, log };
    const { multicast } = this;
    this.server = new RpcServer({
      ...rpc,
      handler: this.peerRequests,
      policy: accepted,
      onSession: (session) => this.peerHttp?.server.openSession(session),
      multicast: multicast?.receiver ?? null,
    });
    this.mesh = new RpcMesh({ ...rpc, policy: dialled, random, requestTimeoutMs, multicast });
    this.cluster = new CurrentView(view, options.nodeId, this.replica, this.mesh, this.#wayToReplicas());
    this.clockWatch = new ClockWatch({
      clock,
      time,
      ask: (nodeId, timeoutMs, sink, position) =>
        this.mesh.ask(CLOCK, nodeId, NO_KEY, timeoutMs, sink, position),
      peerIds: () => this.cluster.peerIds,
      conditions: this.conditions,
      log,
    });

    const access = new RepairAccess(options.nodeId, this.replica, this.mesh, this.cluster);
    this.repair = new Repair({
      nodeId: options.nodeId,
      settings,
      throttle: throttles.repair,
      clock,
      nowMs: () => (time.isKnown ? time.read() : 0),
      random,
      log,
      access,
      ownRecords: this.ownRecords,
      mesh: this.mesh,
      cluster: this.cluster,
      requests: () => this.settlements.requests + this.peerRequests.received,
    });
    this.coordinator = new Coordinator({
      replicas: this.cluster,
      timestamps: this.timestamps,
      writerId: writerIdOf(store.current.incarnation),
      clock,
      timeoutMs: requestTimeoutMs,
      writesBack: settings.readRepair === 'write-back',
      freshMs,
      settlements: new Settlements([this.settlements, ...this.repair.sinks]),
      replication: settings.replication,
      hedging: {
        nodeId: options.nodeId,
        delays: { minMs: settings.hedgeMinDelayMs, maxMs: settings.hedgeMaxDelayMs },
        budget: settings.hedgeBudget,
      },
    });
    this.admission = new Admission({ ...settings, answerTimeoutMs: requestTimeoutMs }, clock);
  }

  #wayToReplicas(): WayToReplicas | undefined {
    const client = this.peerHttp?.client;
    return client && (({ peers }) => client.routesOver(peers));
  }
}
