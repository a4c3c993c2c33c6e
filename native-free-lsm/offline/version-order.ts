import { compareBytes } from '../format/bytes.ts';
import { compareRecordVersions } from '../format/record.ts';
import type { Layer } from './layers.ts';

/** A key of which an upper layer has an older version than a lower one, so that reads find the wrong one. */
interface Misorder {
  readonly key: Uint8Array;
  readonly upper: string;
  readonly lower: string;
}

/**
 * Walks all layers together and reports every key whose versions do not become older from layer to layer. Reads that
 * stop at their first hit rely on that. Yields the bytes of keys and records that it has passed.
 * @param layers newest first; there are a dozen or two, so the smallest key is found by comparing each
 */
export function* checkVersionOrder(
  layers: readonly Layer[],
  report: (misorder: Misorder) => void,
): Generator<number, void, void> {
  for (const { iterator } of layers) iterator.seekToFirst();
  let alive = layers.filter(({ iterator }) => iterator.valid);
  while (alive.length > 0) {
    const group = smallest(alive);
    for (let i = 1; i < group.length; i++) {
      const upper = group[i - 1];
      const lower = group[i];
      const [a, b] = [upper.iterator, lower.iterator];
      if (compareRecordVersions(a.recordBytes, a.recordStart, b.recordBytes, b.recordStart) >= 0) continue;
      report({ key: a.keyBytes.slice(a.keyStart, a.keyEnd), upper: upper.name, lower: lower.name });
    }
    let ended = false;
    for (const { iterator } of group) {
      yield iterator.keyEnd - iterator.keyStart + iterator.recordEnd - iterator.recordStart;
      iterator.next();
      ended ||= !iterator.valid;
    }
    if (ended) alive = alive.filter(({ iterator }) => iterator.valid);
  }
}

/** The layers that are at the smallest key, in their order. */
function smallest(layers: readonly Layer[]): Layer[] {
  const group = [layers[0]];
  for (let i = 1; i < layers.length; i++) {
    const a = group[0].iterator;
    const b = layers[i].iterator;
    const order = compareBytes(a.keyBytes, a.keyStart, a.keyEnd, b.keyBytes, b.keyStart, b.keyEnd);
    if (order > 0) group.length = 0;
    if (order >= 0) group.push(layers[i]);
  }
  return group;
}
