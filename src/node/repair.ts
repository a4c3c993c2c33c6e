/** Read repair and hinted handoff of this node, joined with what they need of the node's other parts. */
import type { Clock, Random } from '../clock.ts';
import type { NodeSettings } from '../config.ts';
import type { Log } from '../log.ts';
import type { ByteThrottle } from '../replica/byte-throttle.ts';
import { Hints } from '../replica/hints/hints.ts';
import type { OwnRecords } from '../replica/own-records.ts';
import { ReadRepairQueue } from '../replica/read-repair/read-repair-queue.ts';
import type { RpcMesh } from '../rpc/mesh.ts';
import type { SettlementSink } from '../settlement.ts';
import type { CurrentView } from './current-view.ts';
import type { RepairAccess } from './repair-access.ts';

interface RepairOptions {
  readonly nodeId: string;
  readonly settings: NodeSettings;
  /** Of what it sends. */
  readonly throttle: ByteThrottle;
  readonly clock: Clock;
  /** Since the Unix epoch: the node's own time, which does not jump; 0 while it is not known. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly log: Log;
  readonly access: RepairAccess;
  readonly ownRecords: OwnRecords;
  readonly mesh: RpcMesh;
  readonly cluster: CurrentView;
  /** Requests of clients that this node has had, from them or by way of peers. */
  readonly requests: () => number;
}

export class Repair {
  readonly readRepair: ReadRepairQueue;
  readonly hints: Hints;
  /** Who hears what requests have come to. */
  readonly sinks: readonly SettlementSink[];

  constructor(options: RepairOptions) {
    const { access, cluster, clock, log, mesh, nodeId, nowMs, ownRecords, random, requests, settings } =
      options;
    const { throttle } = options;
    const deliveries = { access, lists: access, timeoutMs: settings.requestTimeoutMs };
    this.readRepair = new ReadRepairQueue({ nodeId, deliveries, clock, throttle });
    this.hints = new Hints({
      nodeId,
      isOn: settings.hints === 'on',
      maxBytes: settings.maxHintBytes,
      maxAgeMs: settings.maxHintAgeMs,
      records: ownRecords,
      deliveries,
      peers: {
        isUp: (id) => mesh.isUp(id),
        has: (id) => cluster.has(id),
        hint: (...call) => mesh.hint(...call),
      },
      throttle,
      requests,
      clock,
      nowMs,
      random,
      log,
    });
    this.sinks = [this.readRepair, this.hints];
  }

  /** Goes on with what an earlier start has left. */
  start(): Promise<void> {
    return this.hints.start();
  }

  /** Begins nothing more. Call it when no request of a client is under way any more. */
  close(): Promise<void> {
    this.readRepair.close();
    return this.hints.close();
  }
}
