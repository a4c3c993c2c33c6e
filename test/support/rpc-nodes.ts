/**
 * What tests of RPC need around it: a policy, a log that keeps its lines, a replica on a Map, and a sink that counts
 * its calls.
 */

import assert from 'node:assert/strict';
import { FailureCode, failureName } from '../../src/failure.ts';
import type { ToldFolder } from '../../src/folder-history.ts';
import type { Log } from '../../src/log.ts';
import {
  ABSENT,
  failed,
  found,
  type ReplicaReply,
  ReplyKind,
  type ReplySink,
  STORED,
} from '../../src/reply.ts';
import { type ClockTimes, encodeClock } from '../../src/rpc/clock-message.ts';
import { type HandshakePolicy, type Hello, judgeHello } from '../../src/rpc/handshake.ts';
import { FEATURES } from '../../src/rpc/operation-table.ts';
import { PROTOCOL_VERSION } from '../../src/rpc/operations.ts';
import type { PeerRoutes } from '../../src/rpc/peer-routes.ts';
import type { ReplicaHandler } from '../../src/rpc/replica-handler.ts';

export const VERSION_BYTES = 16;

export function helloOf(nodeId: string, changes: Partial<Hello> = {}): Hello {
  return {
    protocolVersion: PROTOCOL_VERSION,
    features: FEATURES,
    clusterId: 'cluster-1',
    nodeId,
    incarnation: `${nodeId}-folder`,
    topologyDigest: 'digest-1',
    maxValueBytes: 16 * 1024 * 1024,
    declaredMs: 0,
    history: { progress: 1, starts: [{ id: 7, from: 1 }] },
    remembered: null,
    addressee: nodeId === 'a' ? 'b' : 'a',
    peerHttpPort: 0,
    ...changes,
  };
}

export class TestPolicy implements HandshakePolicy {
  hello: Hello;
  readonly met: Hello[] = [];
  /** What peers told of their folders after the handshake, as `node progress`. */
  readonly histories: string[] = [];
  /** How many hellos were judged. */
  judged = 0;
  readonly #members: ReadonlySet<string>;

  constructor(hello: Hello, members: readonly string[]) {
    this.hello = hello;
    this.#members = new Set(members);
  }

  localHello(peerNodeId: string | null): Hello {
    return { ...this.hello, addressee: peerNodeId ?? '' };
  }

  judge(hello: Hello): string | null {
    this.judged++;
    return judgeHello(this.hello, hello, (nodeId) => this.#members.has(nodeId));
  }

  accepted(hello: Hello): void {
    this.met.push(hello);
  }

  localFolder(): ToldFolder {
    return this.hello;
  }

  heardFolder(nodeId: string, _incarnation: string, { history }: ToldFolder): void {
    this.histories.push(`${nodeId} ${history.progress}`);
  }
}

export class KeptLog implements Log {
  readonly lines: string[] = [];

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(message: string): void {
    this.lines.push(`error ${message}`);
  }

  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }
}

/** Answers at once or, while `holds` is set, when `release` is called. */
export class MapReplica implements ReplicaHandler {
  readonly records = new Map<string, Buffer>();
  readonly hints: string[] = [];
  times: ClockTimes = { wallMs: 1, ownMs: 2, acceptMs: 3.5 };
  holds = false;
  requests = 0;
  /** How many of the writes were repairs. */
  repaired = 0;
  /** How long the sender of the last write waits. */
  lastTimeoutMs = 0;
  /** How often each key was written. */
  readonly writes = new Map<string, number>();
  mostHeld = 0;
  #held: (() => void)[] = [];

  read(key: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    const record = this.records.get(Buffer.from(key).toString());
    this.#answer(sink, token, record === undefined ? ABSENT : found(record));
  }

  bulkPage(request: Uint8Array, sink: ReplySink, token: number): void {
    this.#answer(sink, token, found(Uint8Array.from(request)));
  }

  write(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void {
    this.lastTimeoutMs = timeoutMs;
    const name = Buffer.from(key).toString();
    if (name === 'refused') {
      this.#answer(sink, token, failed(FailureCode.storage, 'storage error'));
      return;
    }
    this.writes.set(name, (this.writes.get(name) ?? 0) + 1);
    this.records.set(name, Buffer.from(record));
    this.#answer(sink, token, STORED);
  }

  repairWrite(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void {
    this.repaired++;
    this.write(key, record, sink, token, timeoutMs);
  }

  antiEntropy(body: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    this.#answer(sink, token, found(Buffer.from(body).reverse()));
  }

  readVersion(key: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    const record = this.records.get(Buffer.from(key).toString())?.subarray(0, VERSION_BYTES);
    this.#answer(sink, token, record === undefined ? ABSENT : found(record));
  }

  hint(nodeId: Uint8Array, page: Uint8Array, sink: ReplySink, token: number): void {
    this.hints.push(`${Buffer.from(nodeId)}: ${Buffer.from(page)}`);
    this.#answer(sink, token, STORED);
  }

  clock(sink: ReplySink, token: number): void {
    this.#answer(sink, token, found(encodeClock(this.times)));
  }

  get held(): number {
    return this.#held.length;
  }

  release(count = Number.POSITIVE_INFINITY): void {
    const answers = this.#held.splice(0, count);
    for (const answer of answers) answer();
  }

  #answer(sink: ReplySink, token: number, reply: ReplicaReply): void {
    this.requests++;
    if (!this.holds) {
      sink.onReply(token, reply);
      return;
    }
    this.#held.push(() => sink.onReply(token, reply));
    this.mostHeld = Math.max(this.mostHeld, this.#held.length);
  }
}

/** Notes every reply by position. */
export class ReplyBook implements ReplySink {
  readonly replies = new Map<number, ReplicaReply>();
  /** How often a position got a second reply. */
  repeated = 0;

  onReply(position: number, reply: ReplicaReply): void {
    if (this.replies.has(position)) this.repeated++;
    this.replies.set(position, reply);
  }

  of(position: number): ReplicaReply {
    const reply = this.replies.get(position);
    if (reply === undefined) throw new Error(`position ${position} has no reply`);
    return reply;
  }

  isFailed(position: number, code: FailureCode, reason: RegExp): void {
    const reply = this.of(position);
    assert.equal(reply.kind, ReplyKind.failed);
    assert.equal(failureName(reply.code), failureName(code));
    assert.match(reply.reason, reason);
  }

  count(kind: ReplyKind): number {
    return [...this.replies.values()].filter((reply) => reply.kind === kind).length;
  }
}

/** Sends one write to peers, each of which answers at its position. */
export function writeTo(
  routes: PeerRoutes,
  targets: readonly (readonly [node: number, position: number])[],
  key: Uint8Array,
  record: Uint8Array,
  timeoutMs: number,
  sink: ReplySink,
): void {
  const nodes = Uint16Array.from(targets, ([node]) => node);
  const tell = (i: number, reply: ReplicaReply): void => sink.onReply(targets[i][1], reply);
  const refusals = routes.write(nodes, 0, nodes.length, key, record, timeoutMs, { onReply: tell });
  for (const [i, refusal] of (refusals ?? []).entries()) if (refusal !== null) tell(i, refusal);
}
