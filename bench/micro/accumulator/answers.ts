/** The answers that both ways of accumulating are given. Pure. */

export const REPLICAS = [3, 5, 9, 32] as const;

/** `one`: all replicas have the same version, as nearly always. `rising`: each has a newer one than those before it. */
export const VERSIONS = ['one', 'rising'] as const;
export type Versions = (typeof VERSIONS)[number];

/** On arrival: each answer brings the freshest up to date. Slots: the last one that is needed looks through all. */
export const WAYS = ['arrival', 'slots'] as const;
export type Way = (typeof WAYS)[number];

export const WRITER = 7;
const FIRST_TIMESTAMP = 300_000_000_000_000;

/** How many must answer: more than half. */
export function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

/** The timestamp of the answer at this position, which takes more than 32 bits. */
export function timestampOf(versions: Versions, position: number): number {
  return versions === 'one' ? FIRST_TIMESTAMP : FIRST_TIMESTAMP + position;
}
