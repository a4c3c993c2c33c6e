import dgram, { type Socket } from 'node:dgram';
import { errorMessage, QuorateError } from '../../errors.ts';
import type { DatagramTransport, GroupReceiver, GroupSender, MulticastGroup } from './datagram-transport.ts';

/** Room for what comes while the loop is busy. Linux gives no more than net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const SEND_BUFFER_BYTES = 1024 * 1024;
/** Datagrams do not leave the network of the interface. */
const HOPS = 1;

export const udpTransport: DatagramTransport = {
  async sender(group, via, onFault) {
    const socket = dgram.createSocket('udp4');
    try {
      await bound(socket, via === undefined ? {} : { address: via, exclusive: true });
      if (via !== undefined) socket.setMulticastInterface(via);
      socket.setMulticastTTL(HOPS);
      // Without this, no other process of this machine hears them.
      socket.setMulticastLoopback(true);
      ignoreFault(() => socket.setSendBufferSize(SEND_BUFFER_BYTES));
      // With a fixed destination, nothing is looked up for each datagram.
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.connect(group.port, group.address, () => {
          socket.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      socket.close();
      throw fault('send to', group, via, error);
    }
    return new UdpSender(socket, onFault);
  },

  async receiver(group, via, onDatagram) {
    // Every node of this machine that hears the group has a socket at the same address.
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    try {
      await bound(socket, { ...listenAddress(group), port: group.port, exclusive: true });
      socket.addMembership(group.address, via);
      ignoreFault(() => socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES));
    } catch (error) {
      socket.close();
      throw fault('hear', group, via, error);
    }
    socket.on('message', onDatagram);
    // What is lost is sent again over RPC.
    socket.on('error', () => {});
    return new UdpReceiver(socket);
  },
};

class UdpSender implements GroupSender {
  readonly #socket: Socket;
  readonly #onFault: () => void;
  #isClosed = false;

  constructor(socket: Socket, onFault: () => void) {
    this.#socket = socket;
    this.#onFault = onFault;
    // Of what was sent before, as the system tells it later.
    socket.on('error', onFault);
  }

  send(datagram: Buffer): void {
    if (!this.#isClosed) this.#socket.send(datagram, this.#onSent);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  /** One for all datagrams. Without it, node:dgram tells nobody that the system did not take one. */
  readonly #onSent = (error: Error | null): void => {
    if (error !== null && !this.#isClosed) this.#onFault();
  };
}

class UdpReceiver implements GroupReceiver {
  readonly bufferBytes: number;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.bufferBytes = socket.getRecvBufferSize();
  }

  close(): void {
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }
}

/**
 * A socket at the group's own address hears that group alone. At any other address, Linux gives it the datagrams of
 * every group on this port that somebody on the machine has joined. Windows allows no such address, and needs none.
 */
function listenAddress(group: MulticastGroup): { address?: string } {
  return process.platform === 'win32' ? {} : { address: group.address };
}

function bound(socket: Socket, options: dgram.BindOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(options, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

/** For what only makes loss less likely. */
function ignoreFault(step: () => void): void {
  try {
    step();
  } catch {
    // The system's default has to do.
  }
}

function fault(what: string, group: MulticastGroup, via: string | undefined, error: unknown): QuorateError {
  const at = via === undefined ? '' : ` at the interface of ${via}`;
  return new QuorateError(
    'INVALID_CONFIG',
    `cannot ${what} the multicast group ${group.address}:${group.port}${at}: ${errorMessage(error)}`,
    error,
  );
}
