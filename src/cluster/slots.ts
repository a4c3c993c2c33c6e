/** Keys map to slots, slots to nodes: the engine has the first step, as its tables are ordered by slot too. */
import type { HashSeed } from '../../native-free-lsm/index.ts';
import { hashName } from './hash.ts';

export { SLOT_COUNT, slotOf } from '../../native-free-lsm/index.ts';

/** With which all nodes of a cluster take the fingerprints of keys. */
export function fingerprintSeedOf(clusterId: string): HashSeed {
  return hashName(clusterId);
}
