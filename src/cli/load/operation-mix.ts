/** What a load asks for, and how often each. Pure. */
import type { Random } from '../../clock.ts';

export const LoadOperation = { get: 0, put: 1, delete: 2, insert: 3, scan: 4, readModifyWrite: 5 } as const;
export type LoadOperation = (typeof LoadOperation)[keyof typeof LoadOperation];

export const OPERATION_NAMES = ['get', 'put', 'delete', 'insert', 'scan', 'read-modify-write'] as const;

/** Parts of the whole, by operation; they add up to 1. */
export type OperationShares = readonly [number, number, number, number, number, number];

export function sharesOf(shares: Partial<Record<keyof typeof LoadOperation, number>>): OperationShares {
  const { get = 0, put = 0, delete: deletes = 0, insert = 0, scan = 0, readModifyWrite = 0 } = shares;
  const total = get + put + deletes + insert + scan + readModifyWrite;
  return [get / total, put / total, deletes / total, insert / total, scan / total, readModifyWrite / total];
}

export class OperationMix {
  readonly #random: Random;
  readonly #bounds: readonly number[];

  constructor(shares: OperationShares, random: Random) {
    this.#random = random;
    let sum = 0;
    this.#bounds = shares.map((share) => {
      sum += share;
      return sum;
    });
  }

  next(): LoadOperation {
    const fraction = this.#random() * this.#bounds[LoadOperation.readModifyWrite];
    let operation = 0;
    while (operation < LoadOperation.readModifyWrite && fraction >= this.#bounds[operation]) operation++;
    return operation as LoadOperation;
  }
}
