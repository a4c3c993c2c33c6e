/** Faults in what clients are told beside values: scans, versions, explanations. */

import { ReadableStore } from '../../../native-free-lsm/store/readable-store.ts';
import { Explainer } from '../../../src/coordinator/explainer.ts';
import { HybridClock } from '../../../src/hybrid-clock.ts';
import type { Mutation } from './mutation.ts';
import { patch } from './patch.ts';

const BEHIND = Uint8Array.of(0);

export const CLIENT_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a scan shows what has expired',
    part: 'engine',
    foundIn: 6,
    plant: () =>
      patch(
        ReadableStore.prototype,
        'rangePage',
        (original) =>
          function (this: ReadableStore, request, ...rest) {
            return original.call(this, { ...request, nowMs: 0 }, ...rest);
          },
      ),
  },
  {
    name: 'a page of a scan begins behind the first key that it should have',
    part: 'engine',
    foundIn: 3,
    plant: () =>
      patch(
        ReadableStore.prototype,
        'rangePage',
        (original) =>
          function (this: ReadableStore, request, ...rest) {
            // The node's own scans, which are not encoded, go on as they are.
            const start = request.encoder === 0 ? request.start : Buffer.concat([request.start, BEHIND]);
            return original.call(this, { ...request, start }, ...rest);
          },
      ),
  },
  {
    name: 'every other write has the version of the one before it',
    part: 'coordinator',
    foundIn: 1,
    plant: () => {
      const last = new WeakMap<HybridClock, number>();
      return patch(
        HybridClock.prototype,
        'issue',
        (original) =>
          function (this: HybridClock) {
            const before = last.get(this) ?? 0;
            const issued = before === 0 ? original.call(this) : before;
            last.set(this, before === 0 ? issued : 0);
            return issued;
          },
      );
    },
  },
  {
    name: 'an explanation hears of no answer',
    part: 'coordinator',
    foundIn: 1,
    plant: () => patch(Explainer.prototype, 'hear', () => () => undefined),
  },
];
