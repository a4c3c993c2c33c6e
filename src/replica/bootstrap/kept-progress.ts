import { errorMessage } from '../../errors.ts';
import { OwnPart, type OwnRecords } from '../own-records.ts';
import { isUnreadable } from '../storage-fault.ts';

/**
 * What was kept of how far a refill has come. Null: nothing was, or the disk has lost it; then that part is gone through
 * once more, which changes nothing of what is there.
 */
export async function keptProgress(
  records: Pick<OwnRecords, 'get'>,
  name: Uint8Array,
  log: { warn(message: string): void },
): Promise<Uint8Array | null> {
  try {
    return await records.get(OwnPart.bootstrap, name);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    log.warn(
      `How far the refilling has come cannot be read, so some of it is done again: ${errorMessage(error)}`,
    );
    return null;
  }
}
