/**
 * What a node does while its identity cannot be written: it serves reads, coordinates no writes (it has no timestamps
 * to give), and says why. What is wrong with the disk is asked again and again; once it is right, writes come back.
 */
import type { Conditions } from '../conditions.ts';
import { FailureCode } from '../failure.ts';
import type { IdentityStore } from '../replica/identity-store.ts';
import type { Replica } from '../replica/replica.ts';
import { failed } from '../reply.ts';

const CODES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'NO_SPACE'],
  ['EDQUOT', 'NO_SPACE'],
  ['EROFS', 'READ_ONLY'],
]);

const IDENTITY_NOT_WRITTEN = failed(FailureCode.identityNotWritten, 'its identity cannot be written');

/** For writes of the identity at the start: a disk that refuses them for the time being keeps no node from starting. */
export function passIfRefused(store: IdentityStore): (error: unknown) => void {
  return (error) => {
    if (store.refusal === null) throw error;
  };
}

/**
 * Raises and clears the condition. As long as the start is not noted in the identity the replica takes no write from
 * peers either: if the folder were put back to a copy from before this start, nobody would know that it has lost them.
 */
export function watchIdentity(
  store: IdentityStore,
  replica: Pick<Replica, 'refuseWrites'>,
  conditions: Conditions,
): void {
  let raised = '';
  const onRefused = (refusal: Error | null): void => {
    replica.refuseWrites(store.isBegun ? null : IDENTITY_NOT_WRITTEN);
    if (raised !== '') conditions.clear(raised, 'The identity can be written again: the node takes writes');
    raised = '';
    if (refusal === null) return;
    const { code } = (refusal.cause ?? {}) as NodeJS.ErrnoException;
    raised = CODES.get(code ?? '') ?? 'IDENTITY_NOT_WRITTEN';
    conditions.raise(
      raised,
      `The node takes no writes for the time being, reads go on: ${refusal.message}`,
      true,
    );
  };
  store.onRefused = onRefused;
  if (store.refusal !== null) onRefused(store.refusal);
}
