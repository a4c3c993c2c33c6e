/** Which folders count as empty though something is in them: a node, a cluster or a fill may take them. Pure. */

/** A volume that was just made has it. */
const OF_A_NEW_VOLUME = 'lost+found';

/** @param remains names of what a start leaves that was cut short, and of what another start is just making */
export function countsAsEmpty(names: readonly string[], remains: RegExp): boolean {
  return names.every((name) => name === OF_A_NEW_VOLUME || remains.test(name));
}
