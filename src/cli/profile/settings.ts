/** The flags of `profile` that are its own. */
import type { Address } from '../../address.ts';
import { duration, size, text } from '../../config/setting.ts';
import type { SettingsTable } from '../../config.ts';
import { clusterSettings } from '../../config.ts';
import { QuorateError } from '../../errors.ts';
import { CPU_INTERVAL_MS, HEAP_INTERVAL_BYTES, PROFILE_KINDS, type ProfileKind } from '../../node-profile.ts';
import { loadSettings } from '../load/settings.ts';

interface ProfileSettings {
  readonly outDirectory: string | undefined;
  readonly kinds: readonly ProfileKind[];
  readonly cpuIntervalMs: number;
  readonly heapIntervalBytes: number;
}

interface PlaceSettings {
  /** Nodes that run already. */
  readonly targets: readonly Address[] | undefined;
  readonly nodes: number;
  /** Undefined: a temporary one. */
  readonly dataDirectory: string | undefined;
}

export const profileSettings: SettingsTable<ProfileSettings> = {
  outDirectory: text('out', '<folder>', undefined, 'where everything is written: a new or empty folder'),
  kinds: {
    flag: 'kinds',
    placeholder: '<kinds>',
    help: 'what is recorded, each in a run of its own',
    defaultValue: PROFILE_KINDS,
    parse: parseKinds,
    format: (kinds) => kinds.join(','),
  },
  cpuIntervalMs: duration(
    'sampling-interval',
    CPU_INTERVAL_MS.standard,
    CPU_INTERVAL_MS.least,
    CPU_INTERVAL_MS.most,
    'between two samples of a thread',
  ),
  heapIntervalBytes: size(
    'allocation-interval',
    HEAP_INTERVAL_BYTES.standard,
    HEAP_INTERVAL_BYTES.least,
    HEAP_INTERVAL_BYTES.most,
    'bytes between two sampled allocations of a thread',
  ),
};

export const placeSettings: SettingsTable<PlaceSettings> = {
  targets: {
    ...loadSettings.targets,
    help: 'nodes that run already, with commas between',
    defaultValue: undefined,
  },
  nodes: clusterSettings.nodes,
  dataDirectory: text(
    'data',
    '<folder>',
    undefined,
    'folder of a stopped cluster (default: a temporary one)',
  ),
};

function parseKinds(input: string): readonly ProfileKind[] {
  const names = input.split(',').map((name) => name.trim());
  const kinds = PROFILE_KINDS.filter((kind) => names.includes(kind));
  if (kinds.length === names.length) return kinds;
  throw new QuorateError('INVALID_CONFIG', `expected some of ${PROFILE_KINDS.join(', ')}, each once`);
}
