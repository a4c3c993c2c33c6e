/** Why a request had no answer: no connection was made, it broke, or what came was no HTTP. */
export const NoAnswer = { refused: 'refused', broken: 'broken', malformed: 'malformed' } as const;
export type NoAnswer = (typeof NoAnswer)[keyof typeof NoAnswer];
