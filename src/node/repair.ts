/** Read repair of this node, joined with what it needs of the node's other parts. */
import type { Clock } from '../clock.ts';
import { ReadRepairQueue } from '../replica/read-repair/read-repair-queue.ts';
import type { SettlementSink } from '../settlement.ts';
import type { RepairAccess } from './repair-access.ts';

/** What repair may send to all peers together. */
const BYTES_PER_SECOND = 16 * 1024 * 1024;

interface RepairOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly access: RepairAccess;
  readonly requestTimeoutMs: number;
}

export class Repair {
  readonly readRepair: ReadRepairQueue;
  /** Who hears what requests have come to. */
  readonly sinks: readonly SettlementSink[];

  constructor({ nodeId, clock, access, requestTimeoutMs }: RepairOptions) {
    const deliveries = { access, lists: access, timeoutMs: requestTimeoutMs };
    this.readRepair = new ReadRepairQueue({ nodeId, deliveries, clock, bytesPerSecond: BYTES_PER_SECOND });
    this.sinks = [this.readRepair];
  }

  /** Begins nothing more. Call it when no request of a client is under way any more. */
  close(): void {
    this.readRepair.close();
  }
}
