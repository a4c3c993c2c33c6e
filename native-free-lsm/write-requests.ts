/** What callers of the engine ask for with a write, and how it is checked. */
import {
  arrayFault,
  booleanFault,
  bytesFault,
  describe,
  elementsFault,
  fieldsFault,
  givenKeyFault,
  invalidArgument,
  keyFault,
  optionalFault,
} from './arguments.ts';
import { boundedOperationFault } from './bounds-fault.ts';
import type { LsmError } from './errors.ts';
import { type GivenBytes, toBytes } from './format/given-bytes.ts';
import type { KeyBounds } from './iterator/key-range.ts';

/** How one write is made. */
export interface WriteOptions {
  /**
   * Whether to wait until the write is on the disk, also where `durability` says less. Writes that wait together share
   * one sync.
   */
  readonly sync?: boolean;
}

/** How one value is put. */
export interface PutOptions extends WriteOptions {
  /** How long the value lives, in ms from the call on. Left out: until it is overwritten or deleted. */
  readonly ttlMs?: number;
}

/** What a key must have for a conditional write to be carried out. */
export interface WriteCondition<Key = GivenBytes> {
  readonly key: Key;
  /** The version of its value, as `getVersioned` or a conditional write gives it; null: it must have none. */
  readonly version: number | null;
}

/** What became of a conditional write. */
export type ConditionalResult =
  | {
      readonly applied: true;
      /** Of everything that was written. */
      readonly version: number;
    }
  | {
      readonly applied: false;
      /** Of the first condition that was not met, as bytes. */
      readonly key: Uint8Array;
      /** What it has instead; null: no value. */
      readonly version: number | null;
    };

/** One of the operations of a batch, on one key. */
export type KeyOperation<Key = GivenBytes> =
  | {
      readonly type: 'put';
      readonly key: Key;
      readonly value: Key;
      /** As of a single put. */
      readonly ttlMs?: number;
    }
  | { readonly type: 'delete'; readonly key: Key };

/** One of the operations of a batch: of a key, or of all keys of a range, which it deletes as `Engine.clear` does. */
export type BatchOperation<Key = GivenBytes> = KeyOperation<Key> | ({ readonly type: 'clear' } & KeyBounds);

const WRITE_FIELDS = ['sync'];
const CONDITION_FIELDS = ['key', 'version'];
const PUT_FIELDS = ['ttlMs', 'sync'];
/** A thousand years. An end of life must fit a record, whatever the clock shows. */
const MAX_TTL_MS = 31_557_600_000_000;

export function writeOptionsFault(options: WriteOptions): LsmError | undefined {
  return (
    fieldsFault('options', options, WRITE_FIELDS) ?? optionalFault(booleanFault, 'options.sync', options.sync)
  );
}

export function putOptionsFault(options: PutOptions): LsmError | undefined {
  return (
    fieldsFault('options', options, PUT_FIELDS) ??
    ttlFault('options.ttlMs', options.ttlMs) ??
    optionalFault(booleanFault, 'options.sync', options.sync)
  );
}

/**
 * The operations with bytes for each key and value: the array itself where it has no strings, as most have none. What has
 * a fault stays as it is.
 */
export function operationsInBytes(operations: readonly KeyOperation[]): readonly KeyOperation<Uint8Array>[];
export function operationsInBytes(
  operations: readonly BatchOperation[],
): readonly BatchOperation<Uint8Array>[];
export function operationsInBytes(
  operations: readonly BatchOperation[],
): readonly BatchOperation<Uint8Array>[] {
  if (Array.isArray(operations))
    for (let i = 0; i < operations.length; i++)
      if (hasStrings(operations[i])) return operations.map(operationInBytes);
  return operations as readonly BatchOperation<Uint8Array>[];
}

/** Ranges take strings as they are. */
function hasStrings(operation: BatchOperation): boolean {
  if (typeof operation !== 'object' || operation === null || operation.type === 'clear') return false;
  return (
    typeof operation.key === 'string' || (operation.type === 'put' && typeof operation.value === 'string')
  );
}

function operationInBytes(operation: BatchOperation): BatchOperation<Uint8Array> {
  if (!hasStrings(operation) || operation.type === 'clear') return operation as BatchOperation<Uint8Array>;
  // Read one by one: a copy of the object has no fields but its own, and a class may have getters.
  const { type } = operation;
  const key = toBytes(operation.key);
  if (type !== 'put') return { type, key };
  const { ttlMs } = operation;
  return { type, key, value: toBytes(operation.value), ...(ttlMs !== undefined && { ttlMs }) };
}

/** @param least how many there must be */
export function operationsFault(operations: readonly BatchOperation[], least = 0): LsmError | undefined {
  const fault =
    arrayFault('operations', operations) ?? elementsFault('operations', operations, operationFault);
  if (fault !== undefined || operations.length >= least) return fault;
  return invalidArgument('operations must not be empty: a conditional write writes something');
}

/** Whether none of the operations deletes a range. */
export function isOfKeys<Key>(
  operations: readonly BatchOperation<Key>[],
): operations is readonly KeyOperation<Key>[] {
  for (let i = 0; i < operations.length; i++) if (operations[i].type === 'clear') return false;
  return true;
}

/** What is wrong with the operations of a conditional write: all have one version, so a range would hide none of them. */
export function conditionalOperationsFault(operations: readonly BatchOperation[]): LsmError | undefined {
  const fault = operationsFault(operations, 1);
  if (fault !== undefined || isOfKeys(operations)) return fault;
  return invalidArgument("operations must not have a 'clear': a conditional write deletes no ranges");
}

export function conditionsFault(conditions: readonly WriteCondition[]): LsmError | undefined {
  return arrayFault('conditions', conditions) ?? elementsFault('conditions', conditions, conditionFault);
}

function conditionFault(name: string, condition: unknown): LsmError | undefined {
  const fault = fieldsFault(name, condition, CONDITION_FIELDS);
  if (fault !== undefined) return fault;
  const { key, version } = condition as WriteCondition;
  return givenKeyFault(`${name}.key`, key) ?? versionFault(`${name}.version`, version);
}

export function versionFault(name: string, given: unknown): LsmError | undefined {
  if (given === null || (Number.isSafeInteger(given) && (given as number) > 0)) return undefined;
  return invalidArgument(
    `${name} must be a version that a key was given, or null for none, not ${describe(given)}`,
  );
}

function operationFault(name: string, operation: unknown): LsmError | undefined {
  if (typeof operation !== 'object' || operation === null)
    return invalidArgument(`${name} must be an object with a type and a key, not ${describe(operation)}`);
  const { type, key, value, ttlMs } = operation as Partial<
    Record<'type' | 'key' | 'value' | 'ttlMs', unknown>
  >;
  if (type === 'clear') return boundedOperationFault(name, operation as KeyBounds);
  if (type !== 'put' && type !== 'delete')
    return invalidArgument(`${name}.type must be 'put', 'delete' or 'clear', not ${describe(type)}`);
  const fault = keyFault(`${name}.key`, key);
  if (fault !== undefined || type === 'delete') return fault;
  return bytesFault(`${name}.value`, value) ?? ttlFault(`${name}.ttlMs`, ttlMs);
}

/** How long a value is to live, in ms. */
export function ttlFault(name: string, given: unknown): LsmError | undefined {
  if (given === undefined) return undefined;
  if (Number.isSafeInteger(given) && (given as number) >= 1 && (given as number) <= MAX_TTL_MS)
    return undefined;
  return invalidArgument(
    `${name} must be a whole number from 1 to ${MAX_TTL_MS}, which is a thousand years, not ${describe(given)}`,
  );
}

/**
 * When a value ends, in whole ms since the Unix epoch. Rounded up: it lives at least as long as it was told to.
 * @param nowMs the time of the call
 */
export function endOfLifeMs(ttlMs: number, nowMs: number): number {
  return Math.ceil(nowMs) + ttlMs;
}
