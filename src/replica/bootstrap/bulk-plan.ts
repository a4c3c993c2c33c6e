/**
 * How far a bulk copy has come: which nodes send, and up to which key each has sent what it has to send. It is kept in
 * the node's own records, so that a copy goes on after a kill. Pure.
 *
 * Every source goes through all keys in order. Behind the smallest cursor nothing is left to send by anybody: so a copy
 * with other sources goes on from there.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });
const FORMAT = 1;
const FIRST_KEY = new Uint8Array(0);

export interface BulkShare {
  readonly source: string;
  /** The key to go on from; null: everything has been sent. */
  cursor: Uint8Array | null;
}

export interface BulkPlan {
  /** What the copy is to fill: see `FolderWholeness.lack`. */
  readonly lack: number;
  /** Of the folder that is filled. */
  readonly incarnation: string;
  readonly shares: readonly BulkShare[];
}

export function newPlan(lack: number, incarnation: string, sources: readonly string[]): BulkPlan {
  return { lack, incarnation, shares: sources.map((source) => ({ source, cursor: FIRST_KEY })) };
}

/** The plan with other sources; it is the same one when the sources are. */
export function replanned(plan: BulkPlan, sources: readonly string[]): BulkPlan {
  const before = plan.shares.map(({ source }) => source);
  if (before.length === sources.length && before.every((id) => sources.includes(id))) return plan;
  const cursor = leastCursor(plan.shares);
  return { ...plan, shares: sources.map((source) => ({ source, cursor })) };
}

function leastCursor(shares: readonly BulkShare[]): Uint8Array | null {
  if (shares.length === 0) return FIRST_KEY;
  let least: Uint8Array | null = null;
  for (const { cursor } of shares) {
    if (cursor !== null && (least === null || Buffer.compare(cursor, least) < 0)) least = cursor;
  }
  return least;
}

export function isCopied({ shares }: BulkPlan): boolean {
  return shares.every(({ cursor }) => cursor === null);
}

/** What is kept of the plan as a whole; each share is kept by itself, as it changes by itself. */
export function encodePlan({ lack, incarnation, shares }: BulkPlan): Uint8Array {
  return packr.pack([FORMAT, lack, incarnation, shares.map(({ source }) => source)]);
}

export function encodeShare({ lack, incarnation }: BulkPlan, { cursor }: BulkShare): Uint8Array {
  return packr.pack([FORMAT, lack, incarnation, cursor]);
}

/**
 * @param shareOf what was kept of the share of a source
 * @returns null: nothing was kept, or it was for another folder or for another lack
 */
export function decodePlan(
  kept: Uint8Array | null,
  shareOf: ReadonlyMap<string, Uint8Array>,
  lack: number,
  incarnation: string,
): BulkPlan | null {
  if (kept === null) return null;
  const [format, keptLack, keptIncarnation, sources] = unpackr.unpack(kept) as [
    number,
    number,
    string,
    string[],
  ];
  if (format !== FORMAT || keptLack !== lack || keptIncarnation !== incarnation) return null;
  const shares = sources.map((source) => {
    const share = shareOf.get(source);
    const fields = share && (unpackr.unpack(share) as [number, number, string, Uint8Array | null]);
    const isSame = fields?.[0] === FORMAT && fields[1] === lack && fields[2] === incarnation;
    return { source, cursor: fields !== undefined && isSame ? fields[3] : FIRST_KEY };
  });
  return { lack, incarnation, shares };
}
