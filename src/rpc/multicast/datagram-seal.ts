/** Shows that a datagram comes from a node that knows the cluster's secret, and is as it was sent. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ClusterSecret } from '../cluster-secret.ts';
import { SEAL_BYTES } from './datagram-codec.ts';

/** What the key is for. It is raised when the form of datagrams changes, so that two forms never match. */
const PURPOSE = 'quorate-rpc multicast 1';

export class DatagramSeal {
  readonly #key: Buffer;

  constructor(secret: ClusterSecret) {
    this.#key = secret.keyFor(PURPOSE);
  }

  /** Writes the seal into the room that the datagram has for it. */
  seal(datagram: Buffer): void {
    datagram.set(this.#of(datagram));
  }

  isSealed(datagram: Buffer): boolean {
    return timingSafeEqual(this.#of(datagram), datagram.subarray(0, SEAL_BYTES));
  }

  #of(datagram: Buffer): Buffer {
    const covered = datagram.subarray(SEAL_BYTES);
    return createHmac('sha256', this.#key).update(covered).digest().subarray(0, SEAL_BYTES);
  }
}
