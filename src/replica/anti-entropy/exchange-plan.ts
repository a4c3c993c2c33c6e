/**
 * What has to travel so that two owners of a slot hold the same: the convergence rule, applied to what each of them
 * holds. The newest version of a key goes to each owner by its own `from`, and to each other owner that holds an older
 * one; nobody else gets a copy.
 *
 * The leader of a round first gets what is newer at the others (a pull), and then tells them what they lack (a push),
 * which they get from the leader. Pure.
 */
import { compareVersions } from '../../../native-free-lsm/index.ts';
import { isPurgeable, type VersionEntry } from './version-list.ts';

/** What one owner holds of a range of a slot. */
export interface OwnerList {
  /** Its position in the slot's preference list. */
  readonly position: number;
  /** In the order of fingerprints, each once. */
  readonly entries: readonly VersionEntry[];
  /** What this owner has settled of the slot; 0 while its data is not whole. */
  readonly settled: number;
}

interface ExchangePlan {
  /** Fingerprints of versions that the leader gets from the other. */
  readonly pulls: readonly number[];
  /** Fingerprints of versions that the other gets from the leader. */
  readonly pushes: readonly number[];
}

export function planExchange(leader: OwnerList, other: OwnerList): ExchangePlan {
  const pulls: number[] = [];
  const pushes: number[] = [];
  let ownAt = 0;
  let otherAt = 0;
  while (ownAt < leader.entries.length || otherAt < other.entries.length) {
    const own = leader.entries.at(ownAt);
    const theirs = other.entries.at(otherAt);
    const order = orderOf(own, theirs);
    if (order <= 0) ownAt++;
    if (order >= 0) otherAt++;
    const held = order <= 0 ? own : undefined;
    const met = order >= 0 ? theirs : undefined;
    if (met !== undefined && lacks(leader, held, met)) pulls.push(met.fingerprint);
    else if (held !== undefined && lacks(other, met, held)) pushes.push(held.fingerprint);
  }
  return { pulls, pushes };
}

/**
 * Whether the owner is to get this version of a key.
 * @param held what it has of the key; undefined: nothing
 */
function lacks(owner: OwnerList, held: VersionEntry | undefined, offered: VersionEntry): boolean {
  if (held !== undefined)
    return compareVersions(held.timestamp, held.writer, offered.timestamp, offered.writer) < 0;
  if (offered.from <= owner.position) return false;
  // It had this version or a newer one, and has purged what it had.
  return !(isPurgeable(offered.flags) && offered.timestamp <= owner.settled);
}

/** Which of the two comes first; one that is not there comes last. */
function orderOf(a: VersionEntry | undefined, b: VersionEntry | undefined): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : a.fingerprint - b.fingerprint;
}
