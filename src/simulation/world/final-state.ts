/** What a machine has at the end of a run, read from its node's own engine. */
import {
  isTombstone,
  recordExpiryMs,
  recordFrom,
  recordTimestamp,
  recordWriter,
} from '../../../native-free-lsm/index.ts';
import { errorMessage } from '../../errors.ts';
import type { FinalState, StoredRecord } from '../history.ts';
import type { Machine } from './machine.ts';

/** More than a run writes. */
const ALL = { maxBytes: 1 << 22, maxEntries: 10_000 };
/** Behind the last key that a client may have: from here on are the node's own. */
const END = Uint8Array.of(0xff);

export async function finalStateOf(machine: Machine): Promise<FinalState> {
  const { id, process, serving, state } = machine;
  if (process?.engine == null || serving === null)
    return { machine: id, records: null, isWhole: false, fault: machine.startFault ?? 'it is down' };
  const isWhole = state !== 'incomplete' && state !== 'joining';
  try {
    const range = { end: END, ...ALL, includeTombstones: true, encoder: 0, nowMs: 0 };
    const records = new Map<string, StoredRecord>();
    for (let start: Uint8Array | null = new Uint8Array(0); start !== null; ) {
      using page = await process.engine.rangePage({ ...range, start });
      while (page.next()) {
        const { bytes, recordStart: at } = page;
        records.set(Buffer.from(bytes.subarray(page.keyStart, page.keyEnd)).toString(), {
          timestamp: recordTimestamp(bytes, at),
          writer: recordWriter(bytes, at),
          from: recordFrom(bytes, at),
          isTombstone: isTombstone(bytes, at),
          expiryMs: recordExpiryMs(bytes, at),
        });
      }
      start = page.resumeAt;
    }
    return { machine: id, records, isWhole, fault: '' };
  } catch (error) {
    return { machine: id, records: null, isWhole, fault: errorMessage(error) };
  }
}
