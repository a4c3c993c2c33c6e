import { isHidden } from '../compaction/hidden-tables.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { SuperVersions } from './super-versions.ts';
import type { VersionCommits } from './version-commits.ts';

interface HealedTablesParts {
  readonly superVersions: SuperVersions;
  readonly commits: VersionCommits;
  readonly report: (message: string) => void;
  /** Tables in quarantine were removed. */
  readonly onRemoved: () => void;
  /** A removal has ended, whether it succeeded or not. */
  readonly onEnd: () => void;
}

/** Tables in quarantine that nobody needs any more, until they are removed. */
export class HealedTables {
  readonly #parts: HealedTablesParts;
  readonly #tableIds = new Set<number>();
  #isRemoving = false;
  /** How many were removed. */
  removed = 0;

  constructor(parts: HealedTablesParts) {
    this.#parts = parts;
  }

  get isRemoving(): boolean {
    return this.#isRemoving;
  }

  add(tableId: number): void {
    this.#tableIds.add(tableId);
  }

  /** What fails is tried again with the next call: the table is known to be damaged as long as it is there. */
  remove(): void {
    const { commits, onEnd, onRemoved, report, superVersions } = this.#parts;
    if (this.#isRemoving) return;
    this.#addDeleted();
    if (this.#tableIds.size === 0) return;
    const healed = superVersions.version.quarantine.filter(({ id }) => this.#tableIds.has(id));
    this.#tableIds.clear();
    if (healed.length === 0) return;
    this.#isRemoving = true;
    const paths = healed.map(({ id }) => superVersions.handle(id).path);
    commits
      .commit({ added: [], removed: healed.map(({ id }) => id) }, [])
      .then(
        () => {
          this.removed += healed.length;
          for (const path of paths)
            report(`${path} was damaged; other tables have all that it held now, and it is removed`);
          onRemoved();
        },
        (error: unknown) => {
          report(toLsmError(error, 'remove a healed table').message);
          for (const { id } of healed) this.#tableIds.add(id);
        },
      )
      .finally(() => {
        this.#isRemoving = false;
        onEnd();
      });
  }

  /** Adds those of which a range tombstone in a table hides everything: it is durable, and nothing comes back without them. */
  #addDeleted(): void {
    const { superVersions } = this.#parts;
    const { current, version } = superVersions;
    if (version.quarantine.length === 0 || current.ranged === null) return;
    for (const upper of version.levels.flat()) {
      if (upper.rangeTombstones === undefined) continue;
      const ranges = superVersions.ranges(upper.id);
      for (const table of version.quarantine) if (isHidden(table, ranges)) this.#tableIds.add(table.id);
    }
  }
}
