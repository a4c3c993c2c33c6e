/** Joins what refills a folder (src/replica/bootstrap) with the cluster and the way to the other nodes. */
import { recordSizeBytes, timestampAt } from '../../native-free-lsm/index.ts';
import type { Clock, Random } from '../clock.ts';
import type { NodeSettings } from '../config.ts';
import type { HybridClock } from '../hybrid-clock.ts';
import type { Log } from '../log.ts';
import { Bootstrap, type BootstrapRounds } from '../replica/bootstrap/bootstrap.ts';
import type { BulkPace } from '../replica/bootstrap/bulk-copy.ts';
import { BulkSource } from '../replica/bootstrap/bulk-source.ts';
import { throttledPace, throttledPeers } from '../replica/bootstrap/bulk-throttle.ts';
import { BulkWriter } from '../replica/bootstrap/bulk-writer.ts';
import { maxWriteAgeMs } from '../replica/bootstrap/write-age.ts';
import type { ByteThrottle } from '../replica/byte-throttle.ts';
import type { FolderWholeness } from '../replica/folder-wholeness.ts';
import type { OwnRecords } from '../replica/own-records.ts';
import type { SlotOwners } from '../replica/slot-owners.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import type { RpcMesh } from '../rpc/mesh.ts';
import { BULK_PAGE } from '../rpc/operation-table.ts';
import { MAX_CLIENT_KEY_BYTES } from '../services.ts';
import type { CurrentView } from './current-view.ts';

/** With its index and filters a little less than a table may have, so that it becomes one. */
const SPAN_BYTES = 30 * 1024 * 1024;

interface BootstrappingParts {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly engine: StorageEngine;
  readonly wholeness: FolderWholeness;
  readonly ownRecords: OwnRecords;
  readonly timestamps: HybridClock;
  readonly settings: Pick<NodeSettings, 'maxClockDriftMs' | 'maxValueBytes' | 'requestTimeoutMs'>;
  readonly pace: BulkPace;
  readonly throttle: ByteThrottle;
  readonly rounds: BootstrapRounds;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** They are made after what serves peers, which this is a part of. */
  readonly later: { readonly cluster: CurrentView; readonly mesh: RpcMesh };
}

interface Bootstrapping {
  /** What this node sends to others that are being filled. */
  readonly source: BulkSource;
  readonly bootstrap: Bootstrap;
}

export function makeBootstrapping(parts: BootstrappingParts): Bootstrapping {
  const { nodeId, incarnation, engine, wholeness, ownRecords, timestamps, settings, later } = parts;
  const owners = (): SlotOwners => later.cluster.slotOwners;
  const source = new BulkSource({ nodeId, engine, owners, wholeness });
  const maxRecordBytes = recordSizeBytes(settings.maxValueBytes, true);
  const writer = new BulkWriter({
    engine,
    timestamps,
    maxBatchBytes: MAX_CLIENT_KEY_BYTES + maxRecordBytes,
  });
  const { rounds, clock, random, log, throttle } = parts;
  const writeAgeMs = maxWriteAgeMs(settings);
  const pace = throttledPace(parts.pace, throttle);
  const bootstrap = new Bootstrap(
    {
      ...{ nodeId, incarnation, wholeness, owners, writer, pace, rounds, clock, random, log },
      records: ownRecords,
      spanBytes: SPAN_BYTES,
      maxKeyBytes: MAX_CLIENT_KEY_BYTES,
      freshFrom: () => Math.max(timestampAt(timestamps.time.read() - writeAgeMs), 0),
      peers: throttledPeers(
        {
          get ids() {
            return later.cluster.peerIds;
          },
          isUp: (id) => later.mesh.isUp(id),
          bulkPage: (id, request, timeoutMs, sink) =>
            later.mesh.ask(BULK_PAGE, id, request, timeoutMs, sink, 0),
        },
        throttle,
      ),
      latestAcknowledged: () => latestAcknowledged(timestamps, settings.maxClockDriftMs),
    },
    source,
  );
  return { source, bootstrap };
}

/**
 * A timestamp that this node accepted before it was started is at most the drift ahead of its own time, which was at
 * most the drift ahead of the other nodes' times, and these are at most the drift ahead of its own time now.
 */
function latestAcknowledged({ time }: HybridClock, maxDriftMs: number): number {
  return time.isKnown ? timestampAt(time.read() + 3 * maxDriftMs) : 0;
}
