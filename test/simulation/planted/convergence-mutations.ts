/** Faults in what makes replicas converge: hints, rounds, watermarks, refilling. */

import { RecordStore, TIMESTAMPS_PER_MS } from '../../../native-free-lsm/index.ts';
import { RoundRecords, StoreOutcome } from '../../../src/replica/anti-entropy/round-records.ts';
import { SlotPromises } from '../../../src/replica/anti-entropy/slot-promises.ts';
import { FolderWholeness } from '../../../src/replica/folder-wholeness.ts';
import { HintDelivery } from '../../../src/replica/hints/hint-delivery.ts';
import { HintLog } from '../../../src/replica/hints/hint-log.ts';
import { found, ReplyKind, type ReplySink } from '../../../src/reply.ts';
import { RpcMesh } from '../../../src/rpc/mesh.ts';
import { ANTI_ENTROPY } from '../../../src/rpc/operation-table.ts';
import type { Mutation } from './mutation.ts';
import { all, patch } from './patch.ts';

const NOTHING = new Uint8Array(0);

/** In place of a failure there is an empty answer, as of one who has nothing to object. */
function neverFailing(sink: ReplySink): ReplySink {
  return {
    onReply: (position, reply) =>
      sink.onReply(position, reply.kind === ReplyKind.failed ? found(NOTHING) : reply),
  };
}

export const CONVERGENCE_MUTATIONS: readonly Mutation[] = [
  {
    name: 'hints are not delivered',
    part: 'repair',
    foundIn: 82,
    plant: () => patch(HintDelivery.prototype, 'kick', () => () => undefined),
  },
  {
    name: 'of a page of hints the first alone is delivered',
    part: 'repair',
    foundIn: 193,
    plant: () =>
      patch(
        HintLog.prototype,
        'begin',
        (original) =>
          async function (this: HintLog, queue, page) {
            return (await original.call(this, queue, page))?.slice(0, 1) ?? null;
          },
      ),
  },
  {
    name: 'what a round brings is answered and not stored',
    part: 'repair',
    foundIn: 3,
    plant: () => patch(RoundRecords.prototype, 'store', () => async () => StoreOutcome.stored),
  },
  {
    name: 'the digests of all slots are equal',
    part: 'repair',
    foundIn: 3,
    plant: () =>
      patch(RecordStore.prototype, 'slotDigests', () => async (slots) => new Uint32Array(2 * slots.length)),
  },
  {
    name: 'slots of a folder that is refilled count for reads before anything is proved',
    part: 'repair',
    foundIn: 29,
    plant: () => patch(FolderWholeness.prototype, 'isSlotWhole', () => () => true),
  },
  {
    name: 'slots count as settled up to a time to come',
    part: 'watermark',
    foundIn: 87,
    plant: () =>
      patch(
        SlotPromises.prototype,
        'settle',
        (original) =>
          function (this: SlotPromises, slot, timestamp) {
            original.call(this, slot, timestamp + 8_000 * TIMESTAMPS_PER_MS);
          },
      ),
  },
  {
    name: 'an owner that is away has everything, and promises all',
    part: 'watermark',
    foundIn: 40,
    plant: () =>
      all(
        patch(RpcMesh.prototype, 'isUp', () => () => true),
        patch(
          RpcMesh.prototype,
          'ask',
          (original) =>
            function (this: RpcMesh, operation, nodeId, body, timeoutMs, sink, position) {
              const hearer = operation === ANTI_ENTROPY ? neverFailing(sink) : sink;
              original.call(this, operation, nodeId, body, timeoutMs, hearer, position);
            },
        ),
      ),
  },
];
