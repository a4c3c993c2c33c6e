/** How the ways between hosts are, each direction by itself. */
interface Link {
  delayMs: number;
  /** Infinite: as fast as its sender. */
  bytesPerMs: number;
  /** How many faults block it. */
  blocks: number;
}

/** A way has another rate now than before, in bytes per ms. */
type OnRate = (from: string, to: string, oldRate: number, newRate: number) => void;

export class Links {
  readonly #links = new Map<string, Link>();
  readonly #off = new Set<string>();
  readonly #onOpened: () => void;
  readonly #onRate: OnRate;

  /** @param onOpened something can go on that could not */
  constructor(onOpened: () => void, onRate: OnRate) {
    this.#onOpened = onOpened;
    this.#onRate = onRate;
  }

  isOpen(from: string, to: string): boolean {
    if (this.#off.has(from) || this.#off.has(to)) return false;
    return (this.#links.get(nameOf(from, to))?.blocks ?? 0) === 0;
  }

  delayMs(from: string, to: string): number {
    return this.#links.get(nameOf(from, to))?.delayMs ?? 0;
  }

  bytesPerMs(from: string, to: string): number {
    return this.#links.get(nameOf(from, to))?.bytesPerMs ?? Number.POSITIVE_INFINITY;
  }

  setDelay(from: string, to: string, delayMs: number): void {
    this.#link(from, to).delayMs = delayMs;
  }

  setRate(from: string, to: string, bytesPerMs: number): void {
    const link = this.#link(from, to);
    const oldRate = link.bytesPerMs;
    if (bytesPerMs === oldRate) return;
    link.bytesPerMs = bytesPerMs;
    this.#onRate(from, to, oldRate, bytesPerMs);
  }

  /** It is open again once it has been unblocked as often as it was blocked. */
  block(from: string, to: string): void {
    this.#link(from, to).blocks++;
  }

  unblock(from: string, to: string): void {
    this.#link(from, to).blocks--;
    this.#onOpened();
  }

  turnOff(host: string): void {
    this.#off.add(host);
  }

  turnOn(host: string): void {
    this.#off.delete(host);
    this.#onOpened();
  }

  #link(from: string, to: string): Link {
    const name = nameOf(from, to);
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { delayMs: 0, bytesPerMs: Number.POSITIVE_INFINITY, blocks: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

function nameOf(from: string, to: string): string {
  return `${from} to ${to}`;
}
