import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Framing } from '../iterator/framing.ts';

const load = createRequire(import.meta.url);

/** The framings of a thread, each loaded when it is first asked for: most threads need none. */
export class Framings {
  readonly #addresses: readonly string[];
  readonly #loaded: (Framing | undefined)[] = [];

  /** @param addresses `file:` URLs of modules that export `framing` */
  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  /** @param number counted from 1 in the order of the addresses; 0: none */
  get(number: number): Framing | null {
    if (number === 0) return null;
    this.#loaded[number] ??= load(fileURLToPath(this.#addresses[number - 1])).framing as Framing;
    return this.#loaded[number];
  }
}
