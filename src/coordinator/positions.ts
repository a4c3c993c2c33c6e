/** Sets of positions of a preference list, one bit each. Pure. */

export function countPositions(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count++;
  return count;
}
