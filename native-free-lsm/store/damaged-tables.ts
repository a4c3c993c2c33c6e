import { type DamagedInput, isDamage } from '../compaction/sound-iterator.ts';
import { corruption, LsmError } from '../errors.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { QUARANTINE } from '../version/version.ts';
import type { EngineConditions } from './conditions.ts';
import type { SuperVersions } from './super-versions.ts';

/** So often in a row the disk may fail to read a table before that counts as damage: it may be a passing fault. */
const MAX_READ_FAILURES = 3;

/**
 * Tables that a compaction could not read as a whole. The next one that needs such a table takes what can be read of
 * it along and sends the table itself into quarantine; so damage costs the keys in its place, and blocks nothing.
 */
export class DamagedTables {
  readonly #superVersions: SuperVersions;
  readonly #conditions: EngineConditions;
  readonly #known = new Set<number>();
  readonly #readFailures = new Map<number, number>();

  constructor(superVersions: SuperVersions, conditions: EngineConditions) {
    this.#superVersions = superVersions;
    this.#conditions = conditions;
    for (const { damagedAt, id } of superVersions.version.tables) {
      const { fault, path } = superVersions.handle(id);
      if (fault !== null) {
        this.#known.add(id);
        conditions.damaged(path, new LsmError('CORRUPTION', fault.message));
      } else if (damagedAt !== undefined)
        conditions.damaged(path, corruption(path, damagedAt, 'what could be read of it is in other tables'));
    }
  }

  /** Those among the inputs of which only what can be read is to be taken. */
  among(inputs: readonly TableMetadata[]): number[] {
    return inputs.flatMap(({ id }) => (this.#known.has(id) ? [id] : []));
  }

  /** @returns whether a compaction has failed for an input that is damaged, so that another attempt will do better */
  hasCaused(error: LsmError, inputs: readonly TableMetadata[]): boolean {
    const table = inputs.find(({ id }) => this.#superVersions.handle(id).path === error.file);
    if (table === undefined || !isDamage(error)) return false;
    if (error.code === 'IO_ERROR') {
      const failures = (this.#readFailures.get(table.id) ?? 0) + 1;
      this.#readFailures.set(table.id, failures);
      if (failures < MAX_READ_FAILURES) return false;
    }
    this.#known.add(table.id);
    this.#conditions.damaged(error.file as string, error);
    return true;
  }

  /** What a version edit keeps of the inputs that could not be read as a whole. */
  quarantined(inputs: readonly TableMetadata[], damaged: readonly DamagedInput[]): TableMetadata[] {
    return inputs.flatMap((table) => {
      const found = damaged.find(({ tableId }) => tableId === table.id);
      return found === undefined ? [] : [{ ...table, level: QUARANTINE, damagedAt: found.offset }];
    });
  }

  /** A compaction has taken the inputs into other tables. */
  taken(inputs: readonly TableMetadata[]): void {
    for (const { id } of inputs) {
      this.#known.delete(id);
      this.#readFailures.delete(id);
    }
  }
}
