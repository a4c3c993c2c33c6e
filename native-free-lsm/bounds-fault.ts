import { fieldsFault, givenKeyFault, invalidArgument, optionalFault } from './arguments.ts';
import type { LsmError } from './errors.ts';
import type { KeyBounds } from './iterator/key-range.ts';

const BOUNDS = ['gt', 'gte', 'lt', 'lte'];
const BOUNDS_AND_TYPE = ['type', ...BOUNDS];

/** What is wrong with the bounds of a range; undefined when nothing is. */
export function boundsFault(name: string, { gt, gte, lt, lte }: KeyBounds): LsmError | undefined {
  return (
    optionalFault(givenKeyFault, `${name}.gt`, gt) ??
    optionalFault(givenKeyFault, `${name}.gte`, gte) ??
    optionalFault(givenKeyFault, `${name}.lt`, lt) ??
    optionalFault(givenKeyFault, `${name}.lte`, lte) ??
    (gt !== undefined && gte !== undefined
      ? invalidArgument(`${name}.gt and ${name}.gte are both given: a range begins at one key`)
      : undefined) ??
    (lt !== undefined && lte !== undefined
      ? invalidArgument(`${name}.lt and ${name}.lte are both given: a range ends at one key`)
      : undefined)
  );
}

/** What is wrong with an argument that has nothing but bounds. */
export function onlyBoundsFault(name: string, given: KeyBounds): LsmError | undefined {
  return fieldsFault(name, given, BOUNDS) ?? boundsFault(name, given);
}

/** What is wrong with an operation that has a type and bounds: a misspelt bound would delete more than was meant. */
export function boundedOperationFault(name: string, given: KeyBounds): LsmError | undefined {
  return fieldsFault(name, given, BOUNDS_AND_TYPE) ?? boundsFault(name, given);
}
