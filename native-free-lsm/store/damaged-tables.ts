import { type DamagedInput, isDamage } from '../compaction/sound-iterator.ts';
import { corruption, LsmError } from '../errors.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { QUARANTINE } from '../version/version.ts';
import type { EngineConditions } from './conditions.ts';
import type { SuperVersions } from './super-versions.ts';

/** How often in a row the disk may fail to read a table before that counts as damage, because the fault may pass. */
const MAX_READ_FAILURES = 3;

/**
 * Tables that a compaction could not read completely. The next one that needs such a table takes along what can be read
 * of it and sends the table into quarantine. So damage costs the keys in its place, and blocks nothing.
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

  /** The tables among the inputs of which only the readable part is to be taken. */
  among(inputs: readonly TableMetadata[]): number[] {
    return inputs.flatMap(({ id }) => (this.#known.has(id) ? [id] : []));
  }

  /** @returns whether a compaction has failed because an input is damaged, so that another attempt will succeed */
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

  /** What a version edit keeps of the inputs that could not be read completely. */
  quarantined(inputs: readonly TableMetadata[], damaged: readonly DamagedInput[]): TableMetadata[] {
    return inputs.flatMap((table) => {
      const found = damaged.find(({ tableId }) => tableId === table.id);
      return found === undefined ? [] : [{ ...table, level: QUARANTINE, damagedAt: found.offset }];
    });
  }

  /** A compaction has put the content of the inputs into other tables. */
  taken(inputs: readonly TableMetadata[]): void {
    for (const { id } of inputs) {
      this.#known.delete(id);
      this.#readFailures.delete(id);
    }
  }
}
