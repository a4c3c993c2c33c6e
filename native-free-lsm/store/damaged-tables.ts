import type { DamagedInput } from '../compaction/sound-iterator.ts';
import { corruption, LsmError } from '../errors.ts';
import { isDamage } from '../sstable/damage.ts';
import { namesAllRecords } from '../sstable/lost-versions.ts';
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
  /** Tables that somebody could not read, so that they are to be rewritten: those that are known, and others. */
  readonly #suspected = new Set<number>();
  /** The largest timestamp in each of these tables, but for those that are in quarantine already. */
  readonly #newest = new Map<number, number>();
  readonly #readFailures = new Map<number, number>();

  constructor(superVersions: SuperVersions, conditions: EngineConditions) {
    this.#superVersions = superVersions;
    this.#conditions = conditions;
  }

  /** Notes what is damaged in the tables of the opening. Call it when all of them are loaded. */
  opened(): void {
    const conditions = this.#conditions;
    const superVersions = this.#superVersions;
    for (const { damagedAt, id, largestTimestamp } of superVersions.version.tables) {
      const { fault, path } = superVersions.handle(id);
      if (fault !== null) {
        this.#known.add(id);
        // One of which nothing is known is better off in its place: what is above it is newer.
        if (damagedAt === undefined && namesAllRecords(superVersions.handle(id))) this.#suspected.add(id);
        if (damagedAt === undefined) this.#newest.set(id, largestTimestamp);
        conditions.damaged(path, new LsmError('CORRUPTION', fault.message));
      } else if (damagedAt !== undefined)
        conditions.damaged(path, corruption(path, damagedAt, 'what could be read of it is in other tables'));
    }
  }

  /**
   * Something of a table in the levels could not be read by whoever needed it.
   * @returns whether it is to be rewritten
   */
  found(error: LsmError): boolean {
    const { version } = this.#superVersions;
    const table = version.levels.flat().find(({ id }) => this.#superVersions.path(id) === error.file);
    if (table === undefined || !isDamage(error)) return false;
    const handle = this.#superVersions.handle(table.id);
    if (handle.fault !== null && !namesAllRecords(handle)) return false;
    if (error.code === 'CORRUPTION') {
      this.#known.add(table.id);
      this.#conditions.damaged(error.file as string, error);
    }
    this.#suspect(table);
    return true;
  }

  /** Whether some table in the levels is to be rewritten. */
  get hasSuspects(): boolean {
    return this.#suspected.size > 0;
  }

  readonly isSuspected = ({ id }: TableMetadata): boolean => this.#suspected.has(id);

  /** No version with a larger timestamp is lost in tables in the levels. */
  get damagedTo(): number {
    let newest = 0;
    for (const timestamp of this.#newest.values()) newest = Math.max(newest, timestamp);
    return newest;
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
    this.#suspect(table);
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
      this.#suspected.delete(id);
      this.#newest.delete(id);
      this.#readFailures.delete(id);
    }
  }

  #suspect({ id, largestTimestamp }: TableMetadata): void {
    this.#suspected.add(id);
    this.#newest.set(id, largestTimestamp);
  }
}
