/** What a later version has written is no damage: the tools say of it what an opening says, and a repair lets it be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BATCH_HEADER_BYTES,
  type BatchKind,
  encodeBatchHeader,
} from '../../../../native-free-lsm/log/log-format.ts';
import { dumpEntries } from '../../../../native-free-lsm/offline/dump.ts';
import { repairFolder } from '../../../../native-free-lsm/offline/repair.ts';
import { statFolder } from '../../../../native-free-lsm/offline/stat.ts';
import { verifyFolder } from '../../../../native-free-lsm/offline/verify.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const LOG = '/db/000001.log';
const LATER_KIND = 9 as BatchKind;

/** A log whose last batch is whole, and of a kind that is not known here. */
async function folderOfLaterVersion(): Promise<{ simulation: EngineSimulation; offset: number }> {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, Buffer.from('key'), record(1, 'x')));
  const fs = simulation.fs.kill();
  const offset = fs.sizeSync(LOG);
  const header = new Uint8Array(BATCH_HEADER_BYTES);
  encodeBatchHeader(header, new Uint8Array(0), 1, LATER_KIND, offset, offset);
  const fd = fs.openWriteSync(LOG);
  fs.writeSync(fd, [header], offset);
  fs.closeSync(fd);
  return { simulation: simulation.restartWith(fs), offset };
}

test('a batch of a kind that is not known here', async () => {
  const { simulation, offset } = await folderOfLaterVersion();
  const { fs } = simulation;
  const refused = { code: 'UNSUPPORTED_FORMAT', file: LOG, offset };
  assert.throws(() => simulation.openStore(), refused);
  assert.throws(() => statFolder(fs, '/db'), refused);
  assert.throws(() => [...dumpEntries(fs, '/db', {}, 0)], refused);
  const verifying = verifyFolder(fs, '/db');
  let step = verifying.next();
  while (step.done !== true) step = verifying.next();
  assert.deepEqual(
    step.value.damages.map(({ code, file, offset }) => ({ code, file, offset })),
    [refused],
  );
  const bytesBefore = fs.usedBytes;
  await assert.rejects(repairFolder('/db', { apply: true, fs }), { code: 'UNSUPPORTED_FORMAT' });
  assert.equal(fs.usedBytes, bytesBefore);
  assert.ok(!fs.existsSync('/db/REPAIRING'));
});
