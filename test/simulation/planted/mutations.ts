/**
 * Faults that are planted into the product, one at a time, to see whether the simulator finds them. Each replaces a
 * method of a class while it is planted; nothing in the product knows of it.
 */

import { Fate, RetentionRule } from '../../../native-free-lsm/compaction/retention.ts';
import { isTombstone } from '../../../native-free-lsm/index.ts';
import { BatchReader } from '../../../native-free-lsm/log/batch-reader.ts';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { StaleWriteFilter } from '../../../native-free-lsm/threads/stale-write-filter.ts';
import { Coordinator } from '../../../src/coordinator/coordinator.ts';
import { DeadlineQueue } from '../../../src/coordinator/deadline-queue.ts';
import { Operation } from '../../../src/coordinator/operation.ts';
import { FolderWholeness } from '../../../src/replica/folder-wholeness.ts';
import { PeerRequests } from '../../../src/replica/peer-requests.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { ABSENT, found, type ReplicaReply, ReplyKind, STORED } from '../../../src/reply.ts';
import { Consistency } from '../../../src/request-options.ts';
import { InFlightTable } from '../../../src/rpc/in-flight.ts';
import { RequestKind } from '../../../src/settlement.ts';
import { CLIENT_MUTATIONS } from './client-mutations.ts';
import { CONVERGENCE_MUTATIONS } from './convergence-mutations.ts';
import type { Mutation } from './mutation.ts';
import { all, patch, patchGetter, type Undo } from './patch.ts';

const NOBODY = { onReply: () => undefined };

/** What an operation hears instead of a reply. */
function hearing(
  kind: RequestKind,
  instead: (reply: ReplicaReply, operation: Operation) => ReplicaReply,
): Undo {
  return patch(
    Operation.prototype,
    'onReply',
    (original) =>
      function (this: Operation, position, reply) {
        original.call(this, position, this.kind === kind ? instead(reply, this) : reply);
      },
  );
}

const OTHER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a replica that failed counts as one that has stored',
    part: 'coordinator',
    foundIn: 2,
    plant: () => hearing(RequestKind.write, (reply) => (reply.kind === ReplyKind.failed ? STORED : reply)),
  },
  {
    name: 'a write that met a newer version counts as stored',
    part: 'coordinator',
    foundIn: 4,
    plant: () => hearing(RequestKind.write, (reply) => (reply.kind === ReplyKind.stale ? STORED : reply)),
  },
  {
    name: 'a read believes the first replica that answers',
    part: 'coordinator',
    foundIn: 1,
    plant: () => {
      const answered = new WeakSet<Operation>();
      return hearing(RequestKind.read, (reply, operation) => {
        if (reply.kind !== ReplyKind.ok && reply.kind !== ReplyKind.absent) return reply;
        if (answered.has(operation)) return ABSENT;
        answered.add(operation);
        return reply;
      });
    },
  },
  {
    name: 'a replica whose data is not whole counts for reads',
    part: 'coordinator',
    foundIn: 29,
    plant: () =>
      hearing(RequestKind.read, (reply) => {
        if (reply.kind !== ReplyKind.incomplete) return reply;
        return reply.record === null ? ABSENT : found(reply.record);
      }),
  },
  {
    name: 'a replica that failed has nothing, for a read',
    part: 'coordinator',
    foundIn: 1,
    plant: () => hearing(RequestKind.read, (reply) => (reply.kind === ReplyKind.failed ? ABSENT : reply)),
  },
  {
    name: 'a read does not bring what is newest to others before it answers',
    part: 'coordinator',
    foundIn: 15,
    plant: () =>
      patch(
        Coordinator.prototype,
        'get',
        (original) =>
          function (this: Coordinator, key, options, reply, waitedMs) {
            original.call(this, key, { ...options, repair: 'async' }, reply, waitedMs);
          },
      ),
  },
  {
    name: 'a request has no deadline',
    part: 'coordinator',
    foundIn: 6,
    plant: () =>
      patch(
        DeadlineQueue.prototype,
        'add',
        (original) =>
          function (this: DeadlineQueue, entry, waitedMs) {
            original.call(this, entry, waitedMs - 1_000_000);
          },
      ),
  },
  {
    name: 'a time to live is forgotten',
    part: 'coordinator',
    foundIn: 6,
    plant: () =>
      patch(
        Coordinator.prototype,
        'put',
        (original) =>
          function (this: Coordinator, key, value, options, reply, waitedMs) {
            original.call(this, key, value, { ...options, ttlMs: 0 }, reply, waitedMs);
          },
      ),
  },
  {
    name: 'a value lives twice as long as it should',
    part: 'coordinator',
    foundIn: 6,
    plant: () =>
      patch(
        Coordinator.prototype,
        'put',
        (original) =>
          function (this: Coordinator, key, value, options, reply, waitedMs) {
            original.call(this, key, value, { ...options, ttlMs: 2 * options.ttlMs }, reply, waitedMs);
          },
      ),
  },
  {
    name: 'a linearizable read asks one replica alone',
    part: 'coordinator',
    foundIn: 8,
    plant: () =>
      patch(
        Coordinator.prototype,
        'get',
        (original) =>
          function (this: Coordinator, key, options, reply, waitedMs) {
            const isRegister = options.consistency === Consistency.linearizable;
            const weak = { ...options, consistency: Consistency.default, ack: 1 };
            original.call(this, key, isRegister ? weak : options, reply, waitedMs);
          },
      ),
  },
  {
    name: 'an answer goes to the request after the one that it is for',
    part: 'RPC',
    foundIn: 2,
    plant: () =>
      patch(
        InFlightTable.prototype,
        'find',
        (original) =>
          function (this: InFlightTable, id) {
            const asked = original.call(this, id);
            const next = original.call(this, id + 1);
            return next !== undefined && next.wantsRecord === asked?.wantsRecord ? next : asked;
          },
      ),
  },
  {
    name: "a peer's write is answered before it is stored",
    part: 'RPC',
    foundIn: 4,
    plant: () =>
      patch(
        PeerRequests.prototype,
        'write',
        (original) =>
          function (this: PeerRequests, key, record, sink, token, timeoutMs) {
            const kept = Uint8Array.from(record);
            original.call(this, Uint8Array.from(key), kept, NOBODY, 0, timeoutMs);
            sink.onReply(token, STORED);
          },
      ),
  },
  {
    name: "a peer's deletion is answered and not stored",
    part: 'replica',
    foundIn: 3,
    plant: () =>
      patch(
        PeerRequests.prototype,
        'write',
        (original) =>
          function (this: PeerRequests, key, record, sink, token, timeoutMs) {
            if (isTombstone(record, 0)) sink.onReply(token, STORED);
            else original.call(this, key, record, sink, token, timeoutMs);
          },
      ),
  },
  {
    name: 'an emptied folder counts as whole',
    part: 'replica',
    foundIn: 29,
    plant: () =>
      all(
        patchGetter(FolderWholeness.prototype, 'isWhole', () => true),
        patch(FolderWholeness.prototype, 'isSlotWhole', () => () => true),
      ),
  },
  {
    name: 'a node tells its peers nothing of what it remembers of them',
    part: 'replica',
    foundIn: 29,
    plant: () =>
      patch(
        FolderWholeness.prototype,
        'greetingFor',
        (original) =>
          function (this: FolderWholeness, peerNodeId) {
            return { ...original.call(this, peerNodeId), remembered: null };
          },
      ),
  },
  {
    name: 'a node stores no write of its own',
    part: 'replica',
    foundIn: 2,
    plant: () =>
      patch(Replica.prototype, 'write', () => (_key, _record, sink, position) => {
        sink.onReply(position, STORED);
      }),
  },
  {
    name: 'nothing is synced',
    part: 'engine',
    foundIn: 1,
    plant: () => patch(MemoryFileSystem.prototype, 'fdatasyncSync', () => () => undefined),
  },
  {
    name: 'names in folders are not synced',
    part: 'engine',
    foundIn: 1,
    plant: () => patch(MemoryFileSystem.prototype, 'syncDirectorySync', () => () => undefined),
  },
  {
    name: 'an older write that comes late is put over a newer one',
    part: 'engine',
    foundIn: 208,
    plant: () => patch(StaleWriteFilter.prototype, 'drop', () => () => undefined),
  },
  {
    name: 'the first batch of a log, or of the manifest, is left out when it is read',
    part: 'engine',
    foundIn: 1,
    plant: () => {
      const begun = new WeakSet<BatchReader>();
      return patch(
        BatchReader.prototype,
        'next',
        (original) =>
          function (this: BatchReader) {
            const isFirst = !begun.has(this);
            begun.add(this);
            return isFirst && original.call(this) ? original.call(this) : original.call(this);
          },
      );
    },
  },
  {
    name: 'every compaction drops deletions',
    part: 'engine',
    foundIn: 3,
    plant: () =>
      patch(
        RetentionRule.prototype,
        'judge',
        (original) =>
          function (this: RetentionRule, record, at, key, keyStart, keyEnd) {
            const fate = original.call(this, record, at, key, keyStart, keyEnd);
            return isTombstone(record, at) ? Fate.drop : fate;
          },
      ),
  },
];

export const MUTATIONS: readonly Mutation[] = [
  ...OTHER_MUTATIONS,
  ...CLIENT_MUTATIONS,
  ...CONVERGENCE_MUTATIONS,
];
