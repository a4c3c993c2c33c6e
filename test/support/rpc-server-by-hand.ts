/** A server on a network in memory, with peers that the test plays by hand. */

import assert from 'node:assert/strict';
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { seededRandom } from '../../src/clock.ts';
import type { Credentials } from '../../src/rpc/authentication.ts';
import { encodeKeyRequest, keyRequestBytes, readFrameLength, writeFrameLength } from '../../src/rpc/codec.ts';
import type { RpcLimits } from '../../src/rpc/limits.ts';
import { READ } from '../../src/rpc/operation-table.ts';
import { MessageKind } from '../../src/rpc/operations.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import type { ByteStream } from '../../src/rpc/transport.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../src/simulation/memory-network.ts';
import { credentialsOf, greeting } from './rpc-handshake.ts';
import { helloOf, KeptLog, MapReplica, TestPolicy } from './rpc-nodes.ts';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

const PIECE_BYTES = 64 * 1024;

export function frameOf(...message: unknown[]): Buffer {
  const bytes = packr.pack(message);
  const length = Buffer.alloc(4);
  writeFrameLength(length, 0, bytes.length);
  return Buffer.concat([length, bytes]);
}

export function readFrame(id: number, key = 'key'): Buffer {
  const bytes = Buffer.alloc(4 + keyRequestBytes(key.length));
  encodeKeyRequest(bytes, 0, id, READ.number, 1_000, Buffer.from(key));
  return bytes;
}

/** Sends bytes and keeps the messages that arrive. */
export class RawPeer {
  readonly stream: ByteStream;
  readonly messages: unknown[][] = [];
  closed: string | null = null;
  #bytes = Buffer.alloc(0);

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.start({
      onOpen() {},
      onDrain() {},
      onData: (chunk) => this.#keep(chunk),
      onClose: (reason) => {
        this.closed = reason;
      },
    });
  }

  send(...message: unknown[]): void {
    this.stream.write(frameOf(...message));
  }

  read(id: number, key = 'key'): void {
    this.stream.write(readFrame(id, key));
  }

  /** Sends in pieces, as a socket would deliver them. */
  sendAll(frames: readonly Buffer[]): void {
    const bytes = Buffer.concat(frames);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES)
      this.stream.write(bytes.subarray(at, at + PIECE_BYTES));
  }

  #keep(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + readFrameLength(this.#bytes, 0)) {
      const end = 4 + readFrameLength(this.#bytes, 0);
      this.messages.push(unpackr.unpack(this.#bytes.subarray(4, end)));
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}

export interface ServerByHand {
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
  readonly log: KeptLog;
  readonly replica: MapReplica;
  readonly server: RpcServer;
  readonly policy: TestPolicy;
  /** Connects; the challenge is then on its way. */
  dial(): RawPeer;
  /** Connects and finishes the handshake. */
  connect(nodeId?: string): RawPeer;
}

export async function serveByHand(
  limits: Partial<RpcLimits> = {},
  credentials: Credentials = credentialsOf(),
): Promise<ServerByHand> {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock, seededRandom(7));
  const log = new KeptLog();
  const replica = new MapReplica();
  const policy = new TestPolicy(helloOf('a', { maxValueBytes: 1024 * 1024 }), ['a', 'b', 'c']);
  const transport = network.transport('a');
  const server = new RpcServer({
    handler: replica,
    policy,
    credentials,
    transport,
    clock,
    log,
    limits,
  });
  await server.listen('a', 7_000);
  const dial = () => {
    const peer = new RawPeer(network.transport('b').dial('a', 7_000));
    clock.advance(3);
    return peer;
  };
  const connect = (nodeId = 'b') => {
    const peer = dial();
    peer.stream.write(greeting(helloOf(nodeId)));
    clock.advance(10);
    assert.deepEqual(
      peer.messages.map(([kind]) => kind),
      [MessageKind.challenge, MessageKind.proof, MessageKind.seal, MessageKind.welcome],
    );
    peer.messages.length = 0;
    return peer;
  };
  return { clock, network, log, replica, server, policy, dial, connect };
}
