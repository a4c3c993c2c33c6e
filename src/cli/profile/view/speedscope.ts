/**
 * The waits of one node's threads in speedscope's own format, one profile a thread: a stack for each site, as heavy as
 * its waits took, the idle ones too. Pure.
 *
 * @see https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts
 */
import type { NodeFiles } from '../profile-folder.ts';

const SCHEMA = 'https://www.speedscope.app/file-format-schema.json';

interface SampledProfile {
  readonly type: 'sampled';
  readonly name: string;
  readonly unit: 'milliseconds';
  readonly startValue: number;
  readonly endValue: number;
  /** Indexes of frames, the outermost first. */
  readonly samples: readonly (readonly number[])[];
  readonly weights: readonly number[];
}

interface SpeedscopeFile {
  readonly $schema: typeof SCHEMA;
  readonly name: string;
  readonly exporter: string;
  readonly activeProfileIndex: number;
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  readonly profiles: readonly SampledProfile[];
}

/** @returns undefined: there are no waits, and a file without a profile cannot be opened */
export function speedscopeWaits({ name: node, threads }: NodeFiles): SpeedscopeFile | undefined {
  const frames: { readonly name: string }[] = [];
  const indexes = new Map<string, number>();
  const indexOf = (name: string): number => {
    const known = indexes.get(name);
    if (known !== undefined) return known;
    indexes.set(name, frames.length);
    return frames.push({ name }) - 1;
  };
  const profiles = threads.flatMap(({ name, waits }): SampledProfile[] => {
    if (waits === null || waits.length === 0) return [];
    const weights = waits.map(({ totalMs }) => totalMs);
    return [
      {
        type: 'sampled',
        name: `${node} ${name}`,
        unit: 'milliseconds',
        startValue: 0,
        endValue: weights.reduce((total, weight) => total + weight, 0),
        samples: waits.map(({ isIdle, path }) => [...(isIdle ? ['idle'] : []), ...path].map(indexOf)),
        weights,
      },
    ];
  });
  if (profiles.length === 0) return undefined;
  const head = {
    $schema: SCHEMA,
    name: `Waits of ${node}`,
    exporter: 'quorate profile',
    activeProfileIndex: 0,
  } as const;
  return { ...head, shared: { frames }, profiles };
}
