/** What a request asks of a profile. Pure. */
import { QuorateError } from '../errors.ts';
import {
  CPU_INTERVAL_MS,
  HEAP_INTERVAL_BYTES,
  PROFILE_DURATION_MS,
  PROFILE_KINDS,
  type ProfileBound,
  type ProfileKind,
  type ProfileRequest,
} from '../node-profile.ts';

export const PROFILE_PARAMETERS: readonly string[] = [
  'kinds',
  'durationMs',
  'cpuIntervalMs',
  'heapIntervalBytes',
];

/**
 * @param query what stands behind the `?`, with no other names than PROFILE_PARAMETERS
 * @throws QuorateError BAD_REQUEST with a sentence that names the parameter
 */
export function readProfileQuery(query: string): ProfileRequest {
  const parameters = new URLSearchParams(query);
  return {
    kinds: kindsOf(parameters.get('kinds') ?? PROFILE_KINDS.join(',')),
    durationMs: numberOf(parameters, 'durationMs', PROFILE_DURATION_MS),
    cpuIntervalMs: numberOf(parameters, 'cpuIntervalMs', CPU_INTERVAL_MS),
    heapIntervalBytes: numberOf(parameters, 'heapIntervalBytes', HEAP_INTERVAL_BYTES),
  };
}

function kindsOf(text: string): ProfileKind[] {
  if (text === '') return [];
  return text.split(',').map((name) => {
    const kind = PROFILE_KINDS.find((known) => known === name);
    if (kind === undefined)
      throw new QuorateError('BAD_REQUEST', `kinds must be some of ${PROFILE_KINDS.join(',')}, or nothing`);
    return kind;
  });
}

function numberOf(
  parameters: URLSearchParams,
  name: string,
  { least, most, standard }: ProfileBound,
): number {
  const text = parameters.get(name) ?? String(standard);
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new QuorateError('BAD_REQUEST', `${name} must be a whole number from ${least} to ${most}`);
  return value;
}
