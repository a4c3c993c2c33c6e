/** Datagrams to and from groups: UDP in a node (udp-transport.ts), memory and a fake clock in tests and simulations. */

/** An IPv4 multicast address, and a port. */
export interface MulticastGroup {
  readonly address: string;
  readonly port: number;
}

/** What sends to one group. Datagrams may be lost, come twice, or in another order. */
export interface GroupSender {
  /** The memory belongs to the sender from now on, and must not change. */
  send(datagram: Buffer): void;
  close(): void;
}

/** Hears one group. */
export interface GroupReceiver {
  /** What the kernel holds of datagrams that were not read yet; it may have given less than was asked for. */
  readonly bufferBytes: number;
  close(): void;
}

export interface DatagramTransport {
  /**
   * @param via the IPv4 address of the interface; undefined: the system chooses
   * @param onFault a datagram could not be sent
   * @throws QuorateError with a sentence
   */
  sender(group: MulticastGroup, via: string | undefined, onFault: () => void): Promise<GroupSender>;
  /**
   * @param onDatagram is given memory of its own each time
   * @throws QuorateError with a sentence
   */
  receiver(
    group: MulticastGroup,
    via: string | undefined,
    onDatagram: (datagram: Buffer) => void,
  ): Promise<GroupReceiver>;
}
