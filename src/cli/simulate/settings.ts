/** The flags of `simulate`. */
import { integer, text, toggle } from '../../config/setting.ts';
import type { SettingsTable } from '../../config.ts';

export interface SimulateSettings {
  /** Undefined: several. */
  readonly seed: number | undefined;
  readonly seeds: number;
  /** Undefined: drawn. */
  readonly firstSeed: number | undefined;
  /** Undefined: until all seeds have run. */
  readonly minutes: number | undefined;
  /** Undefined: one for each core. */
  readonly threads: number | undefined;
  readonly trace: boolean;
  /** Undefined: all that the seed makes. */
  readonly only: string | undefined;
}

export const MAX_SEED = 2 ** 31 - 1;
const MAX_SEEDS = 10_000_000;
export const MAX_THREADS = 64;

export const simulateSettings: SettingsTable<SimulateSettings> = {
  seed: integer('seed', undefined, 0, MAX_SEED, 'run this one alone'),
  seeds: integer('seeds', 100, 1, MAX_SEEDS, 'how many to run'),
  firstSeed: integer('first-seed', undefined, 0, MAX_SEED, 'where they begin (default: drawn)'),
  minutes: integer('minutes', undefined, 1, 10_000, 'begin no further seed after this time'),
  threads: integer(
    'threads',
    undefined,
    1,
    MAX_THREADS,
    'threads that run seeds (default: one for each core)',
  ),
  trace: toggle('trace', 'with --seed: print everything that happens'),
  only: text('only', '<ids>', undefined, 'with --seed: these requests (r7) and faults (f2) alone'),
};
