import { surveyTable } from '../../native-free-lsm/offline/table-survey.ts';
import { headBytes } from '../../native-free-lsm/sstable/slot-section-format.ts';
import { DIRECTORY, type Files, placeFiles } from './damaged-folder.ts';

/** Whether a byte of a table belongs to the slot versions, behind their head: what an opening does not read. */
export function isInSlotVersions(files: Files, name: string, at: number): boolean {
  if (!name.endsWith('.sst')) return false;
  const { slotVersions } = surveyTable(placeFiles(files), `${DIRECTORY}/${name}`);
  if (slotVersions === undefined) return false;
  const { block, head } = slotVersions;
  return at >= block.offset + headBytes(head) && at < block.offset + block.lengthBytes;
}
