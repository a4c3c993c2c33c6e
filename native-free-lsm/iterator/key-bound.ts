import { compareBytes } from '../format/bytes.ts';

/**
 * Where a walk stops, or none: a key that an ascending walk does not reach, or the last key that a descending one may
 * come to. One object is used again and again.
 */
export class KeyBound {
  isSet = false;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** 1: keys below the bound are admitted; -1: those above it. */
  #sign = 1;
  /** 1: the bound itself is admitted, too. */
  #slack = 0;

  /** Keys below the bound are admitted. */
  setBelow(bytes: Uint8Array, start: number, end: number): void {
    this.#set(bytes, start, end, 1, 0);
  }

  /** The bound and keys above it are admitted. */
  setAtOrAbove(bytes: Uint8Array, start: number, end: number): void {
    this.#set(bytes, start, end, -1, 1);
  }

  copy(other: KeyBound): void {
    this.isSet = other.isSet;
    this.bytes = other.bytes;
    this.start = other.start;
    this.end = other.end;
    this.#sign = other.#sign;
    this.#slack = other.#slack;
  }

  /** Moves the bound of a walk to a key before it, which is not admitted. */
  stopBefore(bytes: Uint8Array, start: number, end: number, isReverse: boolean): void {
    this.#set(bytes, start, end, isReverse ? -1 : 1, 0);
  }

  clear(): void {
    this.isSet = false;
  }

  admits(key: Uint8Array, start: number, end: number): boolean {
    return (
      !this.isSet ||
      this.#sign * compareBytes(key, start, end, this.bytes, this.start, this.end) < this.#slack
    );
  }

  #set(bytes: Uint8Array, start: number, end: number, sign: number, slack: number): void {
    this.isSet = true;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#sign = sign;
    this.#slack = slack;
  }
}
