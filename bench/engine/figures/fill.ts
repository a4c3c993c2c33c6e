/** Compares `fill` with the best that the disk can do: `dd` writes as many bytes of zeros and syncs them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runBound } from '../../support/bound-child.ts';
import { NODES, VALUE_BYTES } from '../context.ts';
import { fill } from '../data.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';

const MIB = 2 ** 20;

export const fillAgainstDd: Figure = {
  name: 'fill',
  title: 'fill of three nodes against dd of the same live bytes, synced',
  needs: ['dd'],
  async run({ directory, progress, settings }): Promise<Finding[]> {
    const fillMs: number[] = [];
    const ddMs: number[] = [];
    const target = join(directory, 'fill-timed');
    const { rounds, sizeBytes } = settings;
    for (let round = 1; round <= rounds; round++) {
      ddMs.push(await writeZeros(join(directory, 'dd-timed'), NODES * sizeBytes));
      rmSync(target, { recursive: true, force: true });
      const plan = { directory: target, nodes: NODES, sizeBytes, valueBytes: VALUE_BYTES };
      fillMs.push((await fill({ ...plan, isOverwritten: false }, () => undefined)).tookMs);
      rmSync(target, { recursive: true, force: true });
      progress(`round ${round}: dd ${digits(ddMs.at(-1)!)} ms, fill ${digits(fillMs.at(-1)!)} ms`);
    }
    return [
      {
        what: 'time',
        figure: median(fillMs.map((ms, i) => ms / ddMs[i])),
        unit: 'x',
        bound: { most: 2.5 },
        detail: `${digits(median(fillMs))} ms against ${digits(median(ddMs))} ms for ${digits((NODES * sizeBytes) / MIB)} MiB`,
      },
    ];
  },
};

/** @returns how long it took, in ms */
async function writeZeros(file: string, bytes: number): Promise<number> {
  const startedMs = performance.now();
  const args = ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${Math.ceil(bytes / MIB)}`, 'conv=fdatasync'];
  const { code, output } = await runBound('dd', args);
  const tookMs = performance.now() - startedMs;
  rmSync(file, { force: true });
  if (code !== 0) throw new Error(`dd failed: ${output}`);
  return tookMs;
}
