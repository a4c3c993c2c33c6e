import { ProofOf, type SessionKey } from '../cluster-secret.ts';
import { Feature } from '../operation-table.ts';
import { TAG_BYTES } from './datagram-codec.ts';

/**
 * The name of a session in datagrams, which nobody can know before it was used.
 * @param features that both ends have
 * @returns 0: not both of them speak multicast
 */
export function sessionTag(key: SessionKey, features: number): number {
  return (features & Feature.multicast) === 0 ? 0 : key.prove(ProofOf.multicast).readUIntBE(0, TAG_BYTES);
}
