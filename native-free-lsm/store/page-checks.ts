import {
  booleanFault,
  fieldsFault,
  invalidArgument,
  keyFault,
  optionalFault,
  wholeNumberFault,
} from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';

const FIELDS = ['start', 'end', 'maxBytes', 'maxEntries', 'includeTombstones', 'encoder', 'nowMs'];
const OPTIONAL_FIELDS = ['reverse', 'keysOnly', 'limit', 'skipsDamage'];

/** What is wrong with a request for a page, or undefined when nothing is. */
export function pageFault(request: ScanPageRequest, encoders: number): LsmError | undefined {
  const fault = fieldsFault('request', request, [...FIELDS, ...OPTIONAL_FIELDS]);
  if (fault !== undefined) return fault;
  const { start, end, maxBytes, maxEntries, includeTombstones, encoder, nowMs } = request;
  return (
    keyFault('request.start', start) ??
    (end === null ? undefined : keyFault('request.end', end)) ??
    wholeNumberFault('request.maxBytes', maxBytes, 0) ??
    wholeNumberFault('request.maxEntries', maxEntries, 0) ??
    wholeNumberFault('request.nowMs', nowMs, 0) ??
    wholeNumberFault('request.encoder', encoder, 0) ??
    (encoder > encoders
      ? invalidArgument(
          `request.encoder must be a number of the option entryEncoders, which has ${encoders}, counted from 1, or 0, not ${encoder}`,
        )
      : undefined) ??
    booleanFault('request.includeTombstones', includeTombstones) ??
    optionalFault(booleanFault, 'request.reverse', request.reverse) ??
    optionalFault(booleanFault, 'request.keysOnly', request.keysOnly) ??
    optionalFault(booleanFault, 'request.skipsDamage', request.skipsDamage) ??
    (request.reverse && request.skipsDamage
      ? invalidArgument('request.skipsDamage is for pages in key order')
      : undefined) ??
    (request.limit === undefined ? undefined : wholeNumberFault('request.limit', request.limit, 1))
  );
}
