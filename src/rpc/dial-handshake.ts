import { protocolError } from '../errors.ts';
import { Authentication, type Credentials } from './authentication.ts';
import { SAME_SECRET, type SessionKey } from './cluster-secret.ts';
import { encodeRefusal } from './codec.ts';
import type { Connection } from './connection.ts';
import {
  type HandshakePolicy,
  type Hello,
  judgeAddress,
  judgeAddressee,
  judgeProtocol,
} from './handshake.ts';
import { decodeHello, encodeHello } from './hello.ts';
import type { Message } from './message.ts';
import { MessageKind } from './operations.ts';

const WRONG_SECRET = `it does not prove that it knows this node's cluster secret: ${SAME_SECRET}`;

/** Who is told how a handshake goes. */
interface DialHandshakeOwner {
  /** This node has said who it is. */
  onHelloSent(hello: Hello): void;
  /** The peer is the one that was dialled, and both may talk. It is called before the policy is told. */
  onWelcome(connection: Connection, hello: Hello, key: SessionKey): void;
  /**
   * One of the two refuses the other.
   * @param sentence for the log: it names both
   */
  onRefused(sentence: string, reason: string): void;
}

interface DialHandshakeOptions {
  readonly nodeId: string;
  /** Host and port, for people. */
  readonly at: string;
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly owner: DialHandshakeOwner;
}

/** The handshake on one connection, by the side that dialled. FORMAT.md draws it. */
export class DialHandshake {
  readonly #options: DialHandshakeOptions;
  readonly #authentication: Authentication;
  #isWelcome = false;

  constructor(options: DialHandshakeOptions) {
    this.#options = options;
    this.#authentication = new Authentication('dialler', options.credentials);
  }

  /** Whether this node has proved itself and the peer has not yet. */
  get isAnswerDue(): boolean {
    return this.#authentication.isAnswerDue;
  }

  /** @throws QuorateError PROTOCOL */
  onMessage(connection: Connection, message: Message): void {
    const { outbox } = connection;
    switch (message.kind) {
      case MessageKind.challenge:
        outbox.append(outbox.foreground, this.#authentication.onChallenge(message.body()));
        break;
      case MessageKind.proof:
        this.#onProof(connection, message.body());
        break;
      case MessageKind.seal:
        this.#authentication.onSeal(message.body());
        break;
      case MessageKind.welcome:
        if (this.#isWelcome) throw protocolError('a second handshake');
        this.#authentication.checkSealed(message.body());
        this.#onWelcome(connection, decodeHello(message.body()));
        break;
      case MessageKind.refuse: {
        this.#authentication.checkProved();
        const { at, nodeId, owner } = this.#options;
        owner.onRefused(`Refused by node ${nodeId} at ${at}: ${message.reason}`, message.reason);
        connection.destroy(message.reason);
        break;
      }
      default:
        throw protocolError(`a message of kind ${message.kind} from the side that answers`);
    }
  }

  /** The listener does not seem to know this node's secret. */
  refuseUnproved(): void {
    const { at, nodeId, owner } = this.#options;
    owner.onRefused(`Refused node ${nodeId} at ${at}: ${WRONG_SECRET}`, WRONG_SECRET);
  }

  #onProof(connection: Connection, proof: Buffer): void {
    const { nodeId, owner, policy } = this.#options;
    if (!this.#authentication.onProof(proof)) {
      this.refuseUnproved();
      connection.destroy(WRONG_SECRET);
      return;
    }
    connection.admitHello();
    const hello = policy.localHello(nodeId);
    const { outbox } = connection;
    outbox.append(outbox.foreground, this.#authentication.sealed(encodeHello(MessageKind.hello, hello)));
    owner.onHelloSent(hello);
  }

  #onWelcome(connection: Connection, hello: Hello): void {
    const { at, nodeId, owner, policy } = this.#options;
    const local = policy.localHello(nodeId);
    const fault =
      judgeProtocol(local, hello) ??
      judgeAddress(local, hello, nodeId, at) ??
      policy.judge(hello) ??
      judgeAddressee(local, hello);
    if (fault !== null) {
      owner.onRefused(`Refused node ${hello.nodeId} at ${at}: ${fault}`, fault);
      connection.outbox.append(connection.outbox.foreground, encodeRefusal(fault));
      connection.outbox.endWhenSent();
      return;
    }
    this.#isWelcome = true;
    connection.establish();
    owner.onWelcome(connection, hello, this.#authentication.sessionKey);
    policy.accepted(hello);
  }
}
