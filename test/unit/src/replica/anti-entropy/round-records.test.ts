import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecord,
  Fingerprinter,
  type ReadSink,
  type SlotVersions,
} from '../../../../../native-free-lsm/index.ts';
import { RoundRecords, StoreOutcome } from '../../../../../src/replica/anti-entropy/round-records.ts';
import { type ReplySink, STORED } from '../../../../../src/reply.ts';
import { HASH_SEED } from '../../../../support/hash-flood.ts';

const KEY = Buffer.from('key');
const SETTLED = 1000;

/** The versions of a slot in which nothing is, or the key. */
function versions(isListed: boolean): SlotVersions {
  const fingerprinter = new Fingerprinter(HASH_SEED);
  fingerprinter.take(KEY, 0, KEY.length);
  const column = isListed ? [1] : [];
  return {
    count: column.length,
    fingerprintHighs: Uint32Array.from(column, () => fingerprinter.high),
    fingerprintLows: Uint32Array.from(column, () => fingerprinter.low),
    timestamps: Float64Array.from(column),
    writers: Uint32Array.from(column),
    froms: Uint16Array.from(column),
    flags: new Uint8Array(column.length),
  };
}

/** What becomes of a settled value that a round brings. @param read what the engine says of its key */
async function outcomeOf(
  read: Uint8Array | Error | null,
  slotVersions: () => Promise<SlotVersions>,
): Promise<StoreOutcome> {
  const records = new RoundRecords({
    replica: { writeOfRound: (_key, _record, sink: ReplySink, position) => sink.onReply(position, STORED) },
    engine: {
      read: (_key, sink: ReadSink, token) =>
        read instanceof Error ? sink.onRead(token, null, read) : sink.onRead(token, read, null),
      slotVersions,
    },
    fingerprintSeed: HASH_SEED,
    settledAt: () => SETTLED,
    positionIn: () => 0,
  });
  const fields = { timestamp: SETTLED, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
  return records.store(KEY, encodeRecord(fields, Buffer.from('value')));
}

test('a settled value of a key that damage has taken is stored; one that was purged here stays dead', async () => {
  const damaged = new Error('damaged');
  const listed = async (): Promise<SlotVersions> => versions(true);
  const unlisted = async (): Promise<SlotVersions> => versions(false);
  const unknown = async (): Promise<SlotVersions> => {
    throw damaged;
  };
  assert.equal(await outcomeOf(null, listed), StoreOutcome.dead);
  assert.equal(await outcomeOf(damaged, listed), StoreOutcome.stored, 'its version is known to be lost');
  // It may be one that was purged: to store it would bring it back.
  assert.equal(await outcomeOf(damaged, unlisted), StoreOutcome.failed);
  assert.equal(await outcomeOf(damaged, unknown), StoreOutcome.failed);
});
