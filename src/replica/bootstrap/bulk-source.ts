/**
 * Serves pages of this node's entries to a node that is being filled: in key order, exactly those that it owns, with
 * tombstones, because these hide what an older copy of a folder may still have.
 */
import { copyBytes, recordFrom, slotOf } from '../../../native-free-lsm/index.ts';
import { FailureCode } from '../../failure.ts';
import { failed, found, incomplete, type ReplicaReply, type ReplySink } from '../../reply.ts';
import { OWN_KEYS_START } from '../own-records.ts';
import type { SlotOwners } from '../slot-owners.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { storageFailure } from '../storage-fault.ts';
import { type BulkEnd, type BulkRequest, decodeBulkRequest, encodeBulkPage } from './bulk-page-codec.ts';
import { WantedEntries } from './wanted-entries.ts';

const SCAN_BYTES = 512 * 1024;
const SCAN_ENTRIES = 8_192;
/** So many pieces of a scan are looked through for one page: where little is wanted, the answer must not take long. */
const MAX_SCANS = 16;
const MAX_PAGE_BYTES = 512 * 1024;
/** A page is scanned at a time, so that a node that is filled takes one reader thread from clients at most. */
const MAX_WAITING = 32;
/** Each costs 64 KiB. */
const MAX_ASKERS = 8;
/** A resume key that does not fit into the message beside a largest entry. */
const LONG_RESUME_BYTES = 1_024;
const ENTRY_HEADER_BYTES = 8;

interface BulkSourceOptions {
  readonly nodeId: string;
  readonly engine: Pick<StorageEngine, 'rangePage' | 'stats'>;
  readonly owners: () => Pick<SlotOwners, 'idsOf'>;
  readonly wholeness: { readonly isWhole: boolean };
}

export class BulkSource {
  readonly #options: BulkSourceOptions;
  /** By whom it is asked for, the latest last. */
  readonly #wanted = new Map<string, WantedEntries>();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #sentBytes = 0;

  constructor(options: BulkSourceOptions) {
    this.#options = options;
  }

  /** Bytes of entries that were sent since the start. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /**
   * Answers with one page, or as incomplete when this node lacks data itself.
   * @throws QuorateError PROTOCOL: the request is malformed
   */
  serve(body: Uint8Array, sink: ReplySink, token: number): void {
    const request = decodeBulkRequest(body);
    if (!this.#options.wholeness.isWhole) {
      sink.onReply(token, incomplete(null));
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      sink.onReply(token, failed(FailureCode.overloaded, 'too many bulk pages are asked for'));
      return;
    }
    // It is a view of the receive buffer.
    const own = { ...request, start: Uint8Array.from(request.start) };
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      const reply = await this.#page(own);
      this.#waiting--;
      sink.onReply(token, reply);
    });
  }

  async #page(request: BulkRequest): Promise<ReplicaReply> {
    const { engine, wholeness } = this.#options;
    const wanted = this.#wantedBy(request);
    const maxBytes = Math.min(request.maxBytes, MAX_PAGE_BYTES);
    let entries = Buffer.allocUnsafe(maxBytes);
    let used = 0;
    // Without sources nothing is wanted.
    let end: BulkEnd = request.sources.length === 0 ? { kind: 'end' } : { kind: 'at', key: request.start };
    try {
      for (let scan = 0; scan < MAX_SCANS && end.kind === 'at'; scan++) {
        using page = await engine.rangePage({
          start: end.key,
          end: OWN_KEYS_START,
          maxBytes: SCAN_BYTES,
          maxEntries: SCAN_ENTRIES,
          includeTombstones: true,
          encoder: 0,
          nowMs: 0,
        });
        const { bytes } = page;
        let isFull = false;
        while (!isFull && page.next()) {
          const key = bytes.subarray(page.keyStart, page.keyEnd);
          const least = wanted.leastFrom(slotOf(key));
          if (least === 0 || recordFrom(bytes, page.recordStart) < least) continue;
          const start = page.keyStart - ENTRY_HEADER_BYTES;
          const size = page.recordEnd - start;
          if (used > 0 && used + size > maxBytes) {
            isFull = true;
            end = { kind: 'at', key: Uint8Array.from(key) };
            break;
          }
          if (size > entries.length) entries = Buffer.allocUnsafe(size);
          copyBytes(bytes, start, page.recordEnd, entries, used);
          used += size;
        }
        if (isFull) break;
        end = page.resumeAt === null ? { kind: 'end' } : { kind: 'at', key: page.resumeAt };
      }
    } catch (error) {
      return storageFailure(error instanceof Error ? error : null);
    }
    // What is sent must be what a whole node has.
    if (!wholeness.isWhole) return incomplete(null);
    this.#sentBytes += used;
    const isLong = used > maxBytes && end.kind === 'at' && end.key.length > LONG_RESUME_BYTES;
    return found(
      encodeBulkPage({
        end: isLong ? { kind: 'behind' } : end,
        sourceBytes: engine.stats().liveBytes,
        entries: entries.subarray(0, used),
      }),
    );
  }

  #wantedBy({ asker, sources }: BulkRequest): WantedEntries {
    const { nodeId, owners } = this.#options;
    const who = JSON.stringify([asker, sources]);
    const known = this.#wanted.get(who);
    if (known !== undefined) return known;
    const [oldest] = this.#wanted.keys();
    if (this.#wanted.size >= MAX_ASKERS) this.#wanted.delete(oldest);
    const wanted = new WantedEntries(owners(), asker, nodeId, sources);
    this.#wanted.set(who, wanted);
    return wanted;
  }
}
