import { AbstractIterator, type AbstractIteratorOptions, type AbstractLevel } from 'abstract-level';
import { compareBytes } from '../format/bytes.ts';
import type { KeyBounds } from '../iterator/key-range.ts';
import type { RangeScan } from '../range-scan.ts';
import type { ReadableEngine, Snapshot } from '../readable-engine.ts';
import { abortError, levelError } from './level-error.ts';
import type { LevelSnapshot } from './level-snapshot.ts';

/** The options of an iterator as abstract-level passes them on: bounds encoded, left out where there are none. */
export interface LevelScanOptions {
  readonly gt?: Buffer;
  readonly gte?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
  readonly reverse: boolean;
  /** -1: none. */
  readonly limit: number;
  readonly keys?: boolean;
  readonly values?: boolean;
  readonly snapshot?: LevelSnapshot;
  readonly signal?: AbortSignal | null;
}

type LevelEntry = [key: Buffer | undefined, value: Buffer | undefined];

/** The inclusive bound counts where both are given, as in every database of abstract-level. */
export function boundsOf({ gt, gte, lt, lte }: LevelScanOptions): KeyBounds<Uint8Array> {
  return {
    ...(gte !== undefined ? { gte } : gt !== undefined && { gt }),
    ...(lte !== undefined ? { lte } : lt !== undefined && { lt }),
  };
}

/**
 * An iterator of a database over a scan of the engine. Without a snapshot of the caller's it has one of its own, of the
 * moment at which it was made. What is wrong with its options, or with the target of a seek, its reads fail with:
 * abstract-level makes iterators and seeks while it opens a database, and an error thrown there ends the opening.
 */
export class LevelScan<K, V> extends AbstractIterator<AbstractLevel<Buffer, K, V>, K, V> {
  /** Undefined: it cannot be made, and there is a fault. */
  readonly #scan: RangeScan | undefined;
  readonly #bounds: KeyBounds<Uint8Array>;
  readonly #withValues: boolean;
  readonly #signal: AbortSignal | null;
  readonly #ownSnapshot: Snapshot | undefined;
  /** Whether a seek went beyond the bounds, where no entry is. */
  #isOutside = false;
  #fault: unknown;

  constructor(db: AbstractLevel<Buffer, K, V>, engine: ReadableEngine, options: LevelScanOptions) {
    super(db, options as unknown as AbstractIteratorOptions<K, V>);
    this.#bounds = boundsOf(options);
    this.#withValues = options.values !== false;
    this.#signal = options.signal ?? null;
    try {
      this.#ownSnapshot = options.snapshot === undefined ? engine.snapshot() : undefined;
      this.#scan = engine.range({
        ...this.#bounds,
        reverse: options.reverse,
        ...(options.limit >= 0 && { limit: options.limit }),
        values: this.#withValues,
        snapshot: this.#ownSnapshot ?? (options.snapshot as LevelSnapshot).held,
        ...(this.#signal !== null && { signal: this.#signal }),
      });
    } catch (error) {
      this.#ownSnapshot?.release();
      this.#fault = levelError(error);
    }
  }

  async _next(): Promise<LevelEntry | undefined> {
    return (await this._nextv(1))[0];
  }

  async _nextv(size: number): Promise<LevelEntry[]> {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#isOutside || this.#scan === undefined) return [];
    try {
      const entries = await this.#scan.nextMany(size);
      return entries.map(({ key, value }) => [
        key as Buffer,
        this.#withValues ? (value as Buffer) : undefined,
      ]);
    } catch (error) {
      throw this.#signal?.aborted ? abortError() : levelError(error);
    }
  }

  _seek(target: Buffer): void {
    if (this.#scan === undefined) return;
    this.#fault = undefined;
    this.#isOutside = isOutside(this.#bounds, target);
    if (this.#isOutside) return;
    try {
      this.#scan.seek(target);
    } catch (error) {
      this.#fault = levelError(error);
    }
  }

  async _close(): Promise<void> {
    await this.#scan?.return();
    this.#ownSnapshot?.release();
  }
}

function isOutside({ gt, gte, lt, lte }: KeyBounds<Uint8Array>, key: Uint8Array): boolean {
  const order = (bound: Uint8Array) => compareBytes(key, 0, key.length, bound, 0, bound.length);
  return (
    (gt !== undefined && order(gt) <= 0) ||
    (gte !== undefined && order(gte) < 0) ||
    (lt !== undefined && order(lt) >= 0) ||
    (lte !== undefined && order(lte) > 0)
  );
}
