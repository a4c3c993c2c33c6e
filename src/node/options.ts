/** What a node is started with. */
import type { ExecutorFactory, FileSystem } from '../../native-free-lsm/index.ts';
import type { DoorFactory } from '../admission/door.ts';
import type { Clock, DrawBytes, everyTurn, Random } from '../clock.ts';
import type { Topology } from '../cluster/topology.ts';
import type { NodeSettings } from '../config.ts';
import type { Log } from '../log.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import type { DatagramTransport } from '../rpc/multicast/datagram-transport.ts';
import type { Transport } from '../rpc/transport.ts';

export interface NodeOptions {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly topology: Topology;
  /** What its nodes prove to each other that they know. Without one the node listens for RPC on loopback alone. */
  readonly clusterSecret?: string | undefined;
  /** This node's own; made when it is missing. */
  readonly dataDirectory: string;
  readonly settings: NodeSettings;
  /** Through these, clients reach it. Without any, its services can be called only in this process. */
  readonly doors: readonly DoorFactory[];
  readonly log: Log;
  /** The node could not go on (its identity file cannot be written) and has drained itself. */
  readonly onFault?: (error: Error) => void;
  readonly clock?: Clock;
  /** Measures the turns of the event loop: a simulation, whose turns are its own, has none. */
  readonly everyTurn?: typeof everyTurn;
  readonly random?: Random;
  readonly drawBytes?: DrawBytes;
  /** Where the data folder lies, identity and engine alike. */
  readonly fs?: FileSystem;
  /** Who runs the engine's threads: another than a pool needs no threads, and takes any `fs`. */
  readonly executor?: ExecutorFactory;
  readonly transport?: Transport;
  readonly datagrams?: DatagramTransport;
  /** Another store than the LSM engine: benchmarks and simulations. */
  readonly openStorage?: OpenStorage;
}

/**
 * @param directory the engine's own, below the node's
 * @param createIfMissing false: the folder has held data before, and one that is missing is lost
 * @param watermarks for each slot, up to which timestamp what was deleted may be dropped
 * @param expiryNowMs the time at which values expire that are written anew
 */
export type OpenStorage = (
  directory: string,
  settings: NodeSettings,
  createIfMissing: boolean,
  watermarks: SharedArrayBuffer,
  expiryNowMs: () => number,
) => Promise<StorageEngine>;
