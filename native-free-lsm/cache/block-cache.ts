import type { EpochDomain } from '../shared/epochs.ts';
export function createBlockCacheMemory(_budgetBytes: number): SharedArrayBuffer { return new SharedArrayBuffer(8); }
export class BlockCache {
  readonly bytes: Uint8Array; hits = 0; misses = 0; usedBytes = 0;
  constructor(memory: SharedArrayBuffer, _epochs: EpochDomain) { this.bytes = new Uint8Array(memory); }
  find(_t: number, _o: number): number { this.misses++; return -1; }
  dataStart(_s: number): number { return 0; }
  dataEnd(_s: number): number { return 0; }
  reserve(_t: number, _o: number, _l: number): number { return -1; }
  publish(_s: number): void {}
  cancel(_s: number): void {}
  removeTable(_t: number): void {}
}
