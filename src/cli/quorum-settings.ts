/** How many replicas hold a key, and how many must answer: flags that several families of commands share. */
import { MAX_REPLICAS } from '../cluster/placement.ts';
import { integer } from '../config/setting.ts';
import type { SettingsTable } from '../config.ts';

/** Undefined: the node that is asked uses its defaults. */
export interface QuorumSettings {
  readonly ack: number | undefined;
  readonly from: number | undefined;
}

export const quorumSettings: SettingsTable<QuorumSettings> = {
  ack: integer('ack', undefined, 1, MAX_REPLICAS, 'replicas that must answer; else more than half of `from`'),
  from: integer(
    'from',
    undefined,
    1,
    MAX_REPLICAS,
    'replicas the key has; else as many as the cluster is set to',
  ),
};

/** Of a cluster on this machine. Undefined: a replica on each node. */
interface DefaultQuorumSettings {
  readonly from: number | undefined;
}

/**
 * A flag of the same name, because it says the same of all keys as that of a request says of one; but the variables
 * differ: who sets one for the requests of a shell must not change the clusters that are started in it.
 */
export const defaultQuorumSettings: SettingsTable<DefaultQuorumSettings> = {
  from: {
    ...integer(
      'from',
      undefined,
      1,
      MAX_REPLICAS,
      'replicas of a key where a request does not say; else one on each node',
    ),
    variable: 'default-from',
  },
};
