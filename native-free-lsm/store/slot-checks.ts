import { describe, invalidArgument, optionalFault, signalFault } from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import { SLOT_COUNT } from '../format/slot.ts';

export function slotsFault(slots: unknown, signal: unknown): LsmError | undefined {
  if (!(slots instanceof Uint16Array))
    return invalidArgument(`slots must be a Uint16Array, not ${describe(slots)}`);
  return optionalFault(signalFault, 'signal', signal);
}

export function digestsFault(slots: unknown, minFroms: unknown, signal: unknown): LsmError | undefined {
  const fault = slotsFault(slots, signal);
  if (fault !== undefined || !(slots instanceof Uint16Array)) return fault;
  if (!(minFroms instanceof Uint8Array) || minFroms.length !== slots.length)
    return invalidArgument(`minFroms must be a Uint8Array of ${slots.length}, as there are so many slots`);
  if (minFroms.includes(0)) return invalidArgument('minFroms must be at least 1: nothing with 0 ever counts');
  return undefined;
}

export function slotFault(slot: unknown, signal: unknown): LsmError | undefined {
  if (!Number.isInteger(slot) || (slot as number) < 0 || (slot as number) >= SLOT_COUNT)
    return invalidArgument(`slot must be a whole number from 0 to ${SLOT_COUNT - 1}, not ${describe(slot)}`);
  return optionalFault(signalFault, 'signal', signal);
}

export function recordsFault(
  slot: unknown,
  fingerprints: unknown,
  maxBytes: unknown,
  signal: unknown,
): LsmError | undefined {
  const fault = slotFault(slot, signal);
  if (fault !== undefined) return fault;
  if (!(fingerprints instanceof Uint32Array) || fingerprints.length % 2 !== 0)
    return invalidArgument('fingerprints must be a Uint32Array of two words each');
  if (typeof maxBytes === 'number' && maxBytes >= 0) return undefined;
  return invalidArgument(`maxBytes must be a number of at least 0, not ${describe(maxBytes)}`);
}
