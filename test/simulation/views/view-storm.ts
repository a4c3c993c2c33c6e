/**
 * One coordinator over a real mesh and a network in memory, whose view of the cluster is replaced again and again while
 * requests run: nodes come, go, change their order and their addresses. Every node that could ever be in a view is
 * there and answers, after a while. So without faults of the network, whatever goes wrong is the fault of the views.
 */
import assert from 'node:assert/strict';
import { type Random, seededRandom } from '../../../src/clock.ts';
import { ClusterView } from '../../../src/cluster/cluster-view.ts';
import { slotOf } from '../../../src/cluster/slots.ts';
import { Coordinator } from '../../../src/coordinator/coordinator.ts';
import type { LocalReplica } from '../../../src/coordinator/replica-set.ts';
import { CurrentView } from '../../../src/node/current-view.ts';
import type { Outcome } from '../../../src/outcome.ts';
import { ABSENT, type ReplySink, STORED, stale } from '../../../src/reply.ts';
import { quorumOptions } from '../../../src/request-options.ts';
import { RpcMesh } from '../../../src/rpc/mesh.ts';
import type { ReplicaHandler } from '../../../src/rpc/replica-handler.ts';
import { RpcServer } from '../../../src/rpc/server.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../../src/simulation/memory-network.ts';
import { KeptSettlements } from '../../support/kept-settlements.ts';
import { hedgingOf } from '../../support/replication.ts';
import { credentialsOf } from '../../support/rpc-handshake.ts';
import { helloOf, KeptLog, TestPolicy } from '../../support/rpc-nodes.ts';

const NODE_IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const HERE = 'a';
/** Each node listens on both: to move is to be at the other one. */
const PORTS = [7_000, 7_001];
export const TIMEOUT_MS = 1_000;
const MAX_ANSWER_MS = 200;
const NEWER = 1_000_000_000;

/** A replica that answers after a while, and notes who was asked for what. */
class SlowReplica implements ReplicaHandler {
  readonly nodeId: string;
  readonly #storm: ViewStorm;

  constructor(nodeId: string, storm: ViewStorm) {
    this.nodeId = nodeId;
    this.#storm = storm;
  }

  read(key: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    this.#storm.asked(this.nodeId, key);
    this.#storm.later(() => sink.onReply(token, ABSENT));
  }

  write(key: Uint8Array, _record: Uint8Array, sink: ReplySink, token: number): void {
    const tries = this.#storm.asked(this.nodeId, key);
    const isOvertaken = tries === 1 && Buffer.from(key).toString().startsWith('contested');
    const reply = isOvertaken ? stale(NEWER, 2) : STORED;
    this.#storm.later(() => sink.onReply(token, reply));
  }

  bulkPage(): void {
    throw new Error('nobody is filled');
  }

  repairWrite(): void {
    throw new Error('nobody repairs');
  }

  antiEntropy(): void {
    throw new Error('nobody repairs');
  }

  hint(): void {
    throw new Error('nobody hints');
  }

  readVersion(): void {
    throw new Error('nobody asks for versions');
  }

  clock(): void {
    throw new Error('nobody asks for the time');
  }
}

/** What was asked, and what was right when it was. */
export class ViewedRequest {
  readonly key: string;
  readonly kind: 'get' | 'put' | 'contested put';
  readonly view: ClusterView;
  readonly ack: number;
  readonly from: number;
  /** By the view in which it began: the nodes that hold the key, and those of them that could be reached. */
  readonly holders: readonly string[];
  readonly reachable: readonly string[];
  readonly outcomes: { readonly outcome: Outcome; readonly reason: string }[] = [];
  /** What it told once it was settled: a text for each replica, which begins with the node's id. */
  readonly settled: (readonly string[])[] = [];
  /** How often each node was asked. */
  readonly asked = new Map<string, number>();

  constructor(
    key: string,
    kind: ViewedRequest['kind'],
    view: ClusterView,
    random: Random,
    isReachable: (nodeId: string) => boolean,
  ) {
    this.key = key;
    this.kind = kind;
    this.view = view;
    const { lists, maxFrom } = view.placement;
    this.from = 1 + Math.floor(random() * maxFrom);
    this.ack = 1 + Math.floor(random() * this.from);
    const offset = view.placement.listOffset(slotOf(Buffer.from(key)));
    const preferred = lists.subarray(offset, offset + this.from);
    this.holders = Array.from(preferred, (index) => view.nodes[index].id);
    this.reachable = this.holders.filter(isReachable);
  }

  onLargeValue(): void {}

  onOutcome(outcome: Outcome, _value: Uint8Array | null, reason: string): void {
    this.outcomes.push({ outcome, reason });
  }
}

export class ViewStorm {
  readonly clock = new FakeClock();
  readonly log = new KeptLog();
  readonly requests = new Map<string, ViewedRequest>();
  readonly cluster: CurrentView;
  readonly mesh: RpcMesh;
  /** How often views came while requests were under way. */
  readonly changes = { reordered: 0, shrunk: 0, grown: 0, moved: 0 };
  readonly #network: MemoryNetwork;
  readonly #hasFaults: boolean;
  /** Half of the seeds hedge their reads. */
  readonly isHedged: boolean;
  readonly #servers = new Map<string, RpcServer>();
  readonly #random: Random;
  readonly #coordinator: Coordinator;
  #timestamp = 1;

  private constructor(seed: number, hasFaults: boolean) {
    this.#random = seededRandom(seed);
    const { clock, log } = this;
    const network = new MemoryNetwork(clock, seededRandom(seed));
    this.#network = network;
    this.#hasFaults = hasFaults;
    this.isHedged = seed % 2 === 1;
    const shared = (nodeId: string) => ({
      policy: new TestPolicy(helloOf(nodeId), NODE_IDS),
      credentials: credentialsOf(),
      transport: network.transport(nodeId),
      clock,
      log,
    });
    for (const nodeId of NODE_IDS) {
      const handler = new SlowReplica(nodeId, this);
      for (const port of PORTS)
        this.#servers.set(`${nodeId}:${port}`, new RpcServer({ ...shared(nodeId), handler }));
    }
    this.mesh = new RpcMesh({ ...shared(HERE), random: this.#random, requestTimeoutMs: TIMEOUT_MS });
    const view = new ClusterView(this.#topology([...NODE_IDS.slice(0, 4)], new Map()), 1);
    const here = new SlowReplica(HERE, this);
    const local: LocalReplica = {
      read: (key, sink, position) => here.read(key, TIMEOUT_MS, sink, position),
      readVersion: () => here.readVersion(),
      write: (key, record, sink, position) => here.write(key, record, sink, position),
    };
    this.cluster = new CurrentView(view, HERE, local, this.mesh);
    this.#coordinator = new Coordinator({
      replicas: this.cluster,
      timestamps: {
        issue: () => this.#timestamp++,
        refusal: undefined,
        wait: () => undefined,
        stopWaiting: () => undefined,
        nowMs: () => clock.nowMs(),
        follow: (timestamp) => {
          this.#timestamp = Math.max(this.#timestamp, timestamp + 1);
          return true;
        },
      },
      writerId: 1,
      clock,
      writesBack: true,
      freshMs: 2_000,
      timeoutMs: TIMEOUT_MS,
      settlements: new KeptSettlements((settlement) => {
        this.requests.get(settlement.key)?.settled.push(settlement.replicas);
      }),
      replication: this.isHedged ? 'hedged' : 'parallel',
      hedging: hedgingOf(HERE),
    });
  }

  /** @param hasFaults whether connections are cut and nodes stand still now and then */
  static async start(seed: number, hasFaults: boolean): Promise<ViewStorm> {
    const storm = new ViewStorm(seed, hasFaults);
    for (const [address, server] of storm.#servers) {
      const [host, port] = address.split(':');
      await server.listen(host, Number(port));
    }
    storm.mesh.start();
    storm.clock.advance(100);
    return storm;
  }

  step(): void {
    if (this.#hasFaults && this.#random() < 0.02) this.#fail();
    const draw = this.#random();
    if (draw < 0.9) this.#ask();
    else if (draw < 0.96) this.clock.advance(Math.floor(this.#random() * 20));
    else this.#changeView();
  }

  /** Lets all requests end, and what is left of older views. */
  calm(): void {
    for (const nodeId of NODE_IDS) this.#network.thaw(nodeId);
    this.clock.advance(5 * TIMEOUT_MS);
  }

  /** Connections that this node holds, as `node:port`. */
  connections(): string[] {
    return [...this.#servers].flatMap(([address, { connections }]) => Array(connections).fill(address));
  }

  /** @returns how often this node was asked for the key, this time included */
  asked(nodeId: string, key: Uint8Array): number {
    const { asked } = this.requests.get(Buffer.from(key).toString())!;
    const times = (asked.get(nodeId) ?? 0) + 1;
    asked.set(nodeId, times);
    return times;
  }

  later(answer: () => void): void {
    this.clock.after(this.#random() * MAX_ANSWER_MS, answer);
  }

  #fail(): void {
    const host = this.#oneOf(NODE_IDS.filter((id) => id !== HERE));
    const draw = this.#random();
    if (draw < 0.5) this.#network.cut((from, to) => from === host || to === host);
    else if (draw < 0.7) this.#network.freeze(host);
    else for (const nodeId of NODE_IDS) this.#network.thaw(nodeId);
  }

  #ask(): void {
    const { view } = this.cluster;
    const draw = this.#random();
    const kind = draw < 0.4 ? 'get' : draw < 0.8 ? 'put' : 'contested put';
    const key = `${kind} ${this.requests.size}`;
    const isReachable = (nodeId: string): boolean => nodeId === HERE || this.mesh.isUp(nodeId);
    const request = new ViewedRequest(key, kind, view, this.#random, isReachable);
    this.requests.set(key, request);
    const { ack, from } = request;
    if (kind === 'get') this.#coordinator.get(Buffer.from(key), quorumOptions(ack, from), request);
    else this.#coordinator.put(Buffer.from(key), Buffer.from('value'), quorumOptions(ack, from), request);
  }

  /** Some nodes leave, others come, one moves, and all change their places: each for itself, and together. */
  #changeView(): void {
    const { view } = this.cluster;
    const ports = new Map(view.nodes.map(({ id, rpc }) => [id, rpc.port]));
    let ids = view.nodes.map(({ id }) => id);
    if (this.#random() < 0.4 && ids.length > 2) {
      this.changes.shrunk++;
      const left = this.#oneOf(ids.filter((id) => id !== HERE));
      ids = ids.filter((id) => id !== left);
    }
    const absent = NODE_IDS.filter((id) => !ids.includes(id));
    if (this.#random() < 0.4 && absent.length > 0) {
      this.changes.grown++;
      ids.push(this.#oneOf(absent));
    }
    if (this.#random() < 0.2) {
      this.changes.moved++;
      const moved = this.#oneOf(ids);
      ports.set(moved, ports.get(moved) === PORTS[0] ? PORTS[1] : PORTS[0]);
    }
    this.changes.reordered++;
    const places = new Map(ids.map((id) => [id, this.#random()]));
    ids.sort((a, b) => places.get(a)! - places.get(b)!);
    const next = new ClusterView(this.#topology(ids, ports), view.epoch + 1);
    const kept = view.nodes.filter(({ id, rpc }) => {
      const index = next.indexOf(id);
      return this.mesh.isUp(id) && index >= 0 && next.nodes[index].rpc.port === rpc.port;
    });
    this.cluster.replace(next);
    for (const { id } of kept) assert.ok(this.mesh.isUp(id), `${id} keeps its connection`);
  }

  #oneOf(ids: readonly string[]): string {
    return ids[Math.floor(this.#random() * ids.length)];
  }

  #topology(ids: readonly string[], ports: ReadonlyMap<string, number>) {
    const nodes = ids.map((id) => {
      const rpc = { host: id, port: ports.get(id) ?? PORTS[0] };
      return { id, http: rpc, rpc, zone: 'zone', weight: 1 };
    });
    return { cluster: 'cluster-1', placement: 'any' as const, nodes };
  }
}
