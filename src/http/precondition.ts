/**
 * `If-Match` and `If-None-Match` (RFC 9110, 13.1 and 13.2): from the headers to the condition of a request. Pure.
 */
import type { RequestCondition, VersionSet } from '../request-options.ts';
import { parseEntityTags } from './entity-tag.ts';
import type { RequestFault } from './query.ts';

const IF_MATCH = 'If-Match';
const IF_NONE_MATCH = 'If-None-Match';

/**
 * @param ifMatch the header; undefined: there is none
 * @param ifNoneMatch the same
 */
export function readCondition(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): RequestCondition | RequestFault {
  const matched = readTags(IF_MATCH, ifMatch);
  if (isFault(matched)) return matched;
  const unmatched = readTags(IF_NONE_MATCH, ifNoneMatch);
  return isFault(unmatched) ? unmatched : { ifMatch: matched, ifNoneMatch: unmatched };
}

export function isFault(read: RequestCondition | VersionSet | RequestFault | null): read is RequestFault {
  return read !== null && typeof read === 'object' && 'sentence' in read;
}

function readTags(name: string, header: string | undefined): VersionSet | RequestFault | null {
  if (header === undefined) return null;
  const tags = parseEntityTags(header, name === IF_NONE_MATCH);
  return (
    tags ?? {
      status: 400,
      sentence: `The header ${name} is neither * nor a list of entity tags such as "${'0'.repeat(14)}-${'0'.repeat(8)}", with their quotes.`,
    }
  );
}
