import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { EntryEncoder } from '../iterator/entry-encoder.ts';

const load = createRequire(import.meta.url);

/** The entry encoders of a thread. Each is loaded when it is first needed, because most threads need none. */
export class EntryEncoders {
  readonly #addresses: readonly string[];
  readonly #loaded: (EntryEncoder | undefined)[] = [];

  /** @param addresses `file:` URLs of modules that export `encoder` */
  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  /** @param number counted from 1 in the order of the addresses; 0: none */
  get(number: number): EntryEncoder | null {
    if (number === 0) return null;
    this.#loaded[number] ??= load(fileURLToPath(this.#addresses[number - 1])).encoder as EntryEncoder;
    return this.#loaded[number];
  }
}
