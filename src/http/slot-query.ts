/** Which slots a repair is about: `slots=A..B`, `slots=A`, or all of them. Pure. */
import { badRequest, namesFault, type RequestFault } from './query.ts';

const LAST_SLOT = 65_535;
const PARAMETERS = ['slots'];

interface SlotSpan {
  readonly first: number;
  readonly last: number;
}

/** @param query what stands behind the `?` */
export function readSlotQuery(query: string): SlotSpan | RequestFault {
  const fault = namesFault(query, PARAMETERS);
  if (fault !== null) return fault;
  const given = new URLSearchParams(query).getAll('slots');
  if (given.length === 0) return { first: 0, last: LAST_SLOT };
  const parts = /^(\d{1,5})(?:\.\.(\d{1,5}))?$/.exec(given[0]);
  const first = Number(parts?.[1]);
  const last = Number(parts?.[2] ?? parts?.[1]);
  if (first <= last && last <= LAST_SLOT) return { first, last };
  return badRequest(`The query parameter "slots" must be a slot, or two as in 0..${LAST_SLOT}.`);
}
