/**
 * What `serve` is going to start. Making a plan checks the flags; configuring it checks the machine and makes folders.
 */
import os from 'node:os';
import path from 'node:path';
import { type ClusterSettings, checkNodeSettings, type NodeSettings, readersFor } from '../../config.ts';
import { QuorateError } from '../../errors.ts';
import {
  checkMemberDirectory,
  inspectDataDirectory,
  lockDataDirectory,
  nodeDirectory,
  openDataDirectory,
} from '../data/layout.ts';
import type { NodeConfig } from './node-protocol.ts';
import { checkAddresses, chooseRpcPorts } from './ports.ts';
import { openSecretFile, readSecretFile } from './secret-file.ts';

const HIGHEST_PORT = 65_535;

/** Disposing of it unlocks the data folder. */
export interface ServePlan extends Disposable {
  /** Known at once, so that processes can load their code while the plan is configured. */
  readonly nodeIds: readonly string[];
  /**
   * @param report is given what an operator should know
   * @returns a configuration for each node, in the order of the ids
   */
  configure(report?: (line: string) => void): Promise<NodeConfig[]>;
}

/**
 * All nodes of a cluster on this machine.
 * @param givenSecretFile undefined: the secret is in the data folder, made at the first start
 * @param from how many replicas a key has whose request does not say; undefined: one on each node
 */
export function planLocalCluster(
  cluster: ClusterSettings,
  settings: NodeSettings,
  givenSecretFile?: string,
  from?: number,
): ServePlan {
  const { nodes, host, port } = cluster;
  checkNodeSettings(settings);
  const lastPort = port + nodes - 1;
  if (lastPort > HIGHEST_PORT) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `--port ${port} leaves no room for ${nodes} nodes: the last would be on ${lastPort}, above ${HIGHEST_PORT}`,
    );
  }
  if (from !== undefined && from > nodes) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `--from ${from} is too many: a cluster of ${nodes} has at most ${nodes} replicas of a key`,
    );
  }
  const nodeIds = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
  let lock: Disposable | undefined;
  return {
    nodeIds,
    [Symbol.dispose]: () => lock?.[Symbol.dispose](),
    async configure(report) {
      const dataDirectory = path.resolve(cluster.dataDirectory);
      inspectDataDirectory(dataDirectory, nodes);
      const addresses = nodeIds.map((_, index) => ({ host, port: port + index }));
      const rpcPorts = await chooseRpcPorts(addresses, 'with --port or --host');
      const { localTopology } = await import('../../cluster/topology.ts');
      const topology = localTopology({ nodes, host, port, rpcPorts, from });
      const { clusterId } = openDataDirectory(dataDirectory, nodes, report);
      lock = await lockDataDirectory(dataDirectory);
      const secretFile = path.resolve(givenSecretFile ?? openSecretFile(dataDirectory));
      readSecretFile(secretFile);
      return nodeIds.map((nodeId) => ({
        nodeId,
        clusterId,
        topology,
        secretFile,
        dataDirectory: nodeDirectory(dataDirectory, nodeId),
        settings: resolveReaders(settings, nodes),
      }));
    },
  };
}

/**
 * One node of the cluster that a topology file describes.
 * @param givenSecretFile undefined: the file that the topology names, if any
 */
export function planMember(
  topologyFile: string,
  nodeId: string,
  dataDirectory: string,
  settings: NodeSettings,
  givenSecretFile?: string,
): ServePlan {
  checkNodeSettings(settings);
  return {
    nodeIds: [nodeId],
    [Symbol.dispose]: () => undefined,
    async configure() {
      const { readTopology } = await import('../../cluster/topology.ts');
      const topology = readTopology(topologyFile);
      const self = topology.nodes.find(({ id }) => id === nodeId);
      if (self === undefined) {
        const ids = topology.nodes.map(({ id }) => id).join(', ');
        throw new QuorateError(
          'INVALID_TOPOLOGY',
          `${topologyFile} lists no node ${nodeId}: name one of ${ids} with --node`,
        );
      }
      const named = givenSecretFile ?? topology.secretFile;
      const secretFile = named === undefined ? undefined : path.resolve(named);
      if (secretFile !== undefined) readSecretFile(secretFile);
      const directory = nodeDirectory(path.resolve(dataDirectory), nodeId);
      checkMemberDirectory(directory);
      await checkAddresses([self.http, self.rpc], `in ${topologyFile}`);
      return [
        {
          nodeId,
          clusterId: topology.cluster,
          topology,
          secretFile,
          dataDirectory: directory,
          settings: resolveReaders(settings, 1),
        },
      ];
    },
  };
}

function resolveReaders(settings: NodeSettings, nodesOnMachine: number): NodeSettings {
  return { ...settings, readers: readersFor(settings, os.availableParallelism(), nodesOnMachine) };
}
