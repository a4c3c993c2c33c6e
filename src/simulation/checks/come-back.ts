/** A node whose disk has lost nothing serves again once everything is mended. Pure. */
import type { FinalState, History, Violation } from '../history.ts';

const CHECK = 'nodes come back';

export function checkComeBack({ lossesMs }: History, finals: readonly FinalState[]): Violation[] {
  return finals.flatMap(({ fault, machine, records }, index) => {
    if (records !== null || lossesMs[index].length > 0) return [];
    return [{ check: CHECK, sentence: `${machine} does not serve: ${fault}`, requests: [] }];
  });
}
