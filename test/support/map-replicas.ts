/** Replicas on Maps, reached as repair reaches them: each may answer, hold its answers back, or refuse. */
import { compareRecordVersions, encodeRecord } from '../../native-free-lsm/index.ts';
import type { FailureCode } from '../../src/failure.ts';
import type { PreferenceLists, ReplicaAccess } from '../../src/replica/delivery.ts';
import {
  ABSENT,
  failed,
  found,
  metNewer,
  type ReplicaReply,
  type ReplySink,
  STORED,
} from '../../src/reply.ts';

const HEADER_BYTES = 16;

export function recordOf(timestamp: number, value: string | null, from = 3): Uint8Array {
  const fields = { timestamp, writer: 1, tombstone: value === null, from, expiryMs: 0 };
  return encodeRecord(fields, Buffer.from(value ?? ''));
}

export class MapReplicas implements ReplicaAccess, PreferenceLists {
  readonly nodeIds: readonly string[];
  readonly #records = new Map<string, Map<string, Uint8Array>>();
  /** Nodes that answer when they are released. */
  readonly frozen = new Set<string>();
  /** What nodes answer instead. */
  readonly refusing = new Map<string, FailureCode>();
  /** What was asked, as `read n0 key`. */
  readonly asked: string[] = [];
  #held: { readonly nodeId: string; readonly answer: () => void }[] = [];

  /** @param nodeIds in the order of every preference list */
  constructor(...nodeIds: readonly string[]) {
    this.nodeIds = nodeIds;
    for (const id of nodeIds) this.#records.set(id, new Map());
  }

  of(nodeId: string): Map<string, Uint8Array> {
    const records = this.#records.get(nodeId);
    if (records === undefined) throw new Error(`there is no node ${nodeId}`);
    return records;
  }

  read(nodeId: string, key: Uint8Array, _timeoutMs: number, sink: ReplySink, position: number): void {
    this.#answer('read', nodeId, key, sink, position, (record) =>
      record === undefined ? ABSENT : found(record),
    );
  }

  readVersion(nodeId: string, key: Uint8Array, _timeoutMs: number, sink: ReplySink, position: number): void {
    this.#answer('version', nodeId, key, sink, position, (record) =>
      record === undefined ? ABSENT : found(record.subarray(0, HEADER_BYTES)),
    );
  }

  repairWrite(
    nodeId: string,
    key: Uint8Array,
    record: Uint8Array,
    _timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    this.#answer('write', nodeId, key, sink, position, (met) => {
      if (met !== undefined && compareRecordVersions(record, 0, met, 0) <= 0) return metNewer(met);
      this.of(nodeId).set(Buffer.from(key).toString(), record);
      return STORED;
    });
  }

  positionOf(_key: Uint8Array, nodeId: string): number {
    return this.nodeIds.indexOf(nodeId);
  }

  /** The node answers what it was asked, and from now on everything. */
  thaw(nodeId: string): void {
    this.frozen.delete(nodeId);
    const mine = this.#held.filter((held) => held.nodeId === nodeId);
    this.#held = this.#held.filter((held) => held.nodeId !== nodeId);
    for (const { answer } of mine) answer();
  }

  /** What was asked of this kind. */
  countOf(what: 'read' | 'version' | 'write'): number {
    return this.asked.filter((asked) => asked.startsWith(`${what} `)).length;
  }

  #answer(
    what: string,
    nodeId: string,
    key: Uint8Array,
    sink: ReplySink,
    position: number,
    reply: (record: Uint8Array | undefined) => ReplicaReply,
  ): void {
    const name = Buffer.from(key).toString();
    this.asked.push(`${what} ${nodeId} ${name}`);
    const answer = (): void => {
      const code = this.refusing.get(nodeId);
      sink.onReply(position, code === undefined ? reply(this.of(nodeId).get(name)) : failed(code, 'refused'));
    };
    if (this.frozen.has(nodeId)) this.#held.push({ nodeId, answer });
    else answer();
  }
}
