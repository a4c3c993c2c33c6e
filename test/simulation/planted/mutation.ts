import type { Undo } from './patch.ts';

/**
 * A fault that is planted into the product to see whether the simulator finds it. It replaces methods of classes while it
 * is planted; nothing in the product knows of it.
 */
export interface Mutation {
  readonly name: string;
  readonly part: 'coordinator' | 'RPC' | 'replica' | 'repair' | 'watermark' | 'engine';
  /** In how many seeds `npm run simulate:planted` found it last. */
  readonly foundIn: number;
  readonly plant: () => Undo;
}
