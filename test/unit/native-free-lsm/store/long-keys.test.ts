/** Keys of up to 4 KiB, from put to table and back, and what they take on disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadOfflineTools } from '../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const OPTIONS = { durability: 'none', memtableBytes: 1 << 20, maxRecordBytes: 1 << 16 } as const;
const COUNT = 1200;
const random = seededRandom(7);
const letters = (length: number): string =>
  Array.from({ length }, () => String.fromCharCode(97 + random() * 26)).join('');
const PREFIX = letters(4080);

const KINDS: readonly (readonly [kind: string, key: (i: number) => string, mostOfKeys: number])[] = [
  ['that share 4,080 bytes', (i) => PREFIX + String(i).padStart(10, '0'), 0.05],
  ['that differ at both ends only', (i) => letters(10) + PREFIX.slice(30) + String(i), 1.3],
  ['with nothing in common', () => letters(4090), 1.3],
  ['of 1 to 4,096 bytes', (i) => letters(1 + ((Math.imul(i, 2_654_435_761) >>> 0) % 4096)) + String(i), 1.3],
];

for (const [kind, keyOf, mostOfKeys] of KINDS) {
  test(`keys ${kind}: little room on disk, and all are read and scanned`, async () => {
    const simulation = new EngineSimulation(OPTIONS);
    const engine = await simulation.openEngine();
    const keys = Array.from({ length: COUNT }, (_, i) => Buffer.from(keyOf(i)));
    for (const [i, key] of keys.entries())
      await simulation.settle(engine.put(key, Buffer.from(i % 2 === 0 ? '' : 'v')));
    await simulation.settle(engine.flush());
    const keyBytes = keys.reduce((bytes, { length }) => bytes + length, 0);
    const check = async (reader: typeof engine): Promise<void> => {
      const { diskBytes } = reader.stats();
      assert.ok(diskBytes <= keyBytes * mostOfKeys, `${diskBytes} bytes on disk for ${keyBytes} of keys`);
      const values = await simulation.settle(reader.getMany(keys));
      assert.ok(values.every((value, i) => value?.length === i % 2));
      const scanned = await simulation.settle(Array.fromAsync(reader.range(), ({ key }) => Buffer.from(key)));
      assert.deepEqual(scanned, keys.toSorted(Buffer.compare));
    };
    await check(engine);
    await simulation.settle(engine.close());
    const again = await simulation.openEngine();
    await check(again);
    await simulation.settle(again.compact());
    await check(again);
    await simulation.settle(again.close());
    const { verifyFolder } = await loadOfflineTools();
    const verifying = verifyFolder(simulation.fs, '/db');
    let step = verifying.next();
    while (!step.done) step = verifying.next();
    assert.deepEqual(step.value.damages, []);
  });
}
