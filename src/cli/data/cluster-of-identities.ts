/** Finds out which cluster a data folder belongs to when its cluster.json is lost: the identities of its nodes tell. */
import fs from 'node:fs';
import path from 'node:path';
import { QuorateError } from '../../errors.ts';
import { decodeIdentity, IDENTITY_FILE, type Identity } from '../../replica/identity-file.ts';

const NODE_ID = /^node-([1-9]\d*)$/;

/**
 * @param names the entries of the folder
 * @returns undefined when the folder of no node is there
 * @throws QuorateError FOREIGN_DIRECTORY when they belong to several clusters; STORAGE when one cannot be read
 */
export function clusterOfIdentities(
  directory: string,
  names: readonly string[],
): { readonly clusterId: string; readonly nodes: number } | undefined {
  let clusterId: string | undefined;
  let nodes = 0;
  for (const name of names) {
    const identity = NODE_ID.test(name) ? readIdentity(path.join(directory, name, IDENTITY_FILE)) : undefined;
    if (identity === undefined) continue;
    clusterId ??= identity.clusterId;
    if (identity.clusterId !== clusterId || identity.nodeId !== name) {
      throw new QuorateError(
        'FOREIGN_DIRECTORY',
        `the folder ${directory} has lost its cluster.json, and the folder ${name} in it belongs to node ${identity.nodeId} of cluster ${identity.clusterId}, not to node ${name} of cluster ${clusterId}: give each node the folder it started with, or choose another with --data`,
      );
    }
    // A node whose own folder is lost as well is still known to the others.
    for (const nodeId of [name, ...Object.keys(identity.remembered)])
      nodes = Math.max(nodes, Number(NODE_ID.exec(nodeId)?.[1] ?? 0));
  }
  return clusterId === undefined ? undefined : { clusterId, nodes };
}

function readIdentity(file: string): Identity | undefined {
  try {
    return decodeIdentity(fs.readFileSync(file), file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
