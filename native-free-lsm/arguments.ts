/**
 * Checks the arguments of the public calls. JavaScript checks no types, and what is nearly bytes would be stored as
 * something else: a string as a key of zeros, 16-bit numbers cut to 8. Faults are returned and not thrown, because most
 * calls answer through a promise or a sink.
 */
import { isUint8Array } from 'node:util/types';
import { LsmError } from './errors.ts';
import { type GivenBytes, toBytes } from './format/given-bytes.ts';
import { MAX_KEY_BYTES } from './log/write-operation.ts';

export function invalidArgument(message: string): LsmError {
  return new LsmError('INVALID_ARGUMENT', message);
}

/** Any Uint8Array is accepted, also a Buffer or a view of shared memory. */
export function bytesFault(name: string, given: unknown): LsmError | undefined {
  if (isUint8Array(given)) {
    if (given.length > 0 || !hasLostItsMemory(given)) return undefined;
    return invalidArgument(
      `${name} must be bytes, not a view whose memory was transferred away or made smaller`,
    );
  }
  return invalidArgument(`${name} must be a Uint8Array or Buffer, not ${describe(given)}${hintFor(given)}`);
}

/** The engine's own calls take strings, if they have UTF-8; those of its store do not. */
function hintFor(given: unknown): string {
  if (typeof given !== 'string') return '';
  if (given.isWellFormed()) return ' (encode it first, as Buffer.from does)';
  return ' (it has half of a surrogate pair, which no UTF-8 stands for)';
}

/** Such a view has a length of 0, as an empty one; but its methods throw. */
function hasLostItsMemory(view: Uint8Array): boolean {
  try {
    view.keys();
    return false;
  } catch {
    return true;
  }
}

/** A key, or a bound of a range. Either may be empty. */
export function keyFault(name: string, given: unknown): LsmError | undefined {
  const fault = bytesFault(name, given);
  if (fault !== undefined) return fault;
  const { length } = given as Uint8Array;
  if (length <= MAX_KEY_BYTES) return undefined;
  return invalidArgument(`${name} must have at most ${MAX_KEY_BYTES} bytes, not ${length}`);
}

/** A key or a bound as the engine's callers may give it: bytes, or a string. */
export function givenKeyFault(name: string, given: unknown): LsmError | undefined {
  return keyFault(name, toBytes(given as GivenBytes));
}

export function arrayFault(name: string, given: unknown): LsmError | undefined {
  return Array.isArray(given)
    ? undefined
    : invalidArgument(`${name} must be an array, not ${describe(given)}`);
}

export function wholeNumberFault(name: string, given: unknown, least: number): LsmError | undefined {
  if (Number.isSafeInteger(given) && (given as number) >= least) return undefined;
  return invalidArgument(`${name} must be a whole number of at least ${least}, not ${describe(given)}`);
}

/** The secret of a hash: two integers of 32 bits. */
export function seedFault(name: string, given: unknown): LsmError | undefined {
  const fault = fieldsFault(name, given, ['low', 'high']);
  if (fault !== undefined) return fault;
  for (const half of ['low', 'high'] as const) {
    const word = (given as Record<typeof half, unknown>)[half];
    if (typeof word !== 'number' || word >>> 0 !== word)
      return invalidArgument(`${name}.${half} must be a whole number of 32 bits, not ${describe(word)}`);
  }
  return undefined;
}

/**
 * An object with no other fields than these: a misspelt one would do nothing, and nobody would notice. Nor would he with
 * bytes, a Map or a promise, which have no fields: as bounds they would be those of everything.
 */
export function fieldsFault(name: string, given: unknown, known: readonly string[]): LsmError | undefined {
  if (!hasFields(given)) return invalidArgument(`${name} must be an object, not ${describe(given)}`);
  const unknown = Object.keys(given).find((field) => !known.includes(field));
  if (unknown === undefined) return undefined;
  return invalidArgument(`${name} has no ${unknown}: there are ${known.join(', ')}`);
}

/** Told by its tag, as objects of other realms have other prototypes. */
export function hasFields(given: unknown): given is object {
  return Object.prototype.toString.call(given) === '[object Object]';
}

export function functionFault(name: string, given: unknown): LsmError | undefined {
  if (typeof given === 'function') return undefined;
  return invalidArgument(`${name} must be a function, not ${describe(given)}`);
}

export function signalFault(name: string, given: unknown): LsmError | undefined {
  if (given instanceof AbortSignal) return undefined;
  return invalidArgument(`${name} must be an AbortSignal, not ${describe(given)}`);
}

export function directoryFault(name: string, given: unknown): LsmError | undefined {
  if (typeof given !== 'string')
    return invalidArgument(`${name} must be a path in a string, not ${describe(given)}`);
  if (given.length > 0 && !given.includes('\0')) return undefined;
  return invalidArgument(`${name} must be a path, not ${describe(given)}`);
}

export function booleanFault(name: string, given: unknown): LsmError | undefined {
  if (typeof given === 'boolean') return undefined;
  return invalidArgument(`${name} must be true or false, not ${describe(given)}`);
}

export function stringFault(name: string, given: unknown): LsmError | undefined {
  if (typeof given === 'string') return undefined;
  return invalidArgument(`${name} must be a string, not ${describe(given)}`);
}

/** An argument that may be left out. */
export function optionalFault(
  faultOf: (name: string, given: unknown) => LsmError | undefined,
  name: string,
  given: unknown,
): LsmError | undefined {
  return given === undefined ? undefined : faultOf(name, given);
}

/** Where a range begins and ends; either may be left out. */
export function rangeFault(
  name: string,
  { start, end }: { start?: unknown; end?: unknown },
): LsmError | undefined {
  return optionalFault(keyFault, `${name}.start`, start) ?? optionalFault(keyFault, `${name}.end`, end);
}

/** What nearly all calls for a stopped directory begin with. */
export function folderFault(fs: unknown, directory: unknown): LsmError | undefined {
  if (typeof (fs as { listSync?: unknown } | null | undefined)?.listSync !== 'function')
    return invalidArgument(`fs must be a FileSystem, not ${describe(fs)}`);
  return directoryFault('directory', directory);
}

/** @throws LsmError INVALID_ARGUMENT when there is a fault */
export function refuse(fault: LsmError | undefined): void {
  if (fault !== undefined) throw fault;
}

/** @throws LsmError INVALID_ARGUMENT when there would be nobody to answer to */
export function requireSink(sink: unknown, method: string, token: unknown): void {
  const onAnswer = (sink as Record<string, unknown> | null | undefined)?.[method];
  if (typeof onAnswer === 'function' && typeof token === 'number') return;
  throw (
    functionFault(`sink.${method}`, onAnswer) ??
    invalidArgument(`token must be a number, not ${describe(token)}`)
  );
}

const SHOWN_CHARACTERS = 40;

/** A value as it is named in a sentence. */
export function describe(given: unknown): string {
  if (typeof given === 'string') {
    const shown = given.length > SHOWN_CHARACTERS ? `${given.slice(0, SHOWN_CHARACTERS)}…` : given;
    return `the string ${JSON.stringify(shown)}`;
  }
  if (typeof given === 'function') return 'a function';
  if (typeof given !== 'object' || given === null) return String(given);
  if (Array.isArray(given)) return 'an array';
  const className = Object.getPrototypeOf(given)?.constructor?.name;
  return className === undefined || className === 'Object' ? 'an object' : `an object of class ${className}`;
}

/** The first fault among the elements of an array, named by its index. Names are made only for faulty elements. */
export function elementsFault(
  name: string,
  elements: readonly unknown[],
  faultOf: (name: string, element: unknown) => LsmError | undefined,
): LsmError | undefined {
  for (let i = 0; i < elements.length; i++) {
    if (faultOf(name, elements[i]) !== undefined) return faultOf(`${name}[${i}]`, elements[i]);
  }
  return undefined;
}
