/**
 * A second door, to show what one needs: lines over streams in memory. A client says `tag GET key`, `tag PUT key value`
 * or `tag DELETE key`, and hears `tag OK value`, `tag NONE` or `tag outcome reason`, in whatever order they are ready.
 */
import { type Duplex, duplexPair } from 'node:stream';
import { DRAINING_SENTENCE } from '../../src/admission/admission.ts';
import { ClientConnection } from '../../src/admission/client-connection.ts';
import type { Door, DoorContext, DoorFactory } from '../../src/admission/door.ts';
import {
  type EntityMethod,
  EntityRequest,
  type ValueIntake,
  type ValueOwner,
} from '../../src/admission/entity-request.ts';
import { Outcome } from '../../src/outcome.ts';
import { DEFAULT_REQUEST } from '../../src/request-options.ts';

const LINE = /^(\S+) (GET|PUT|DELETE) (\S+)(?: (.*))?$/;
const NAMES: ReadonlyMap<Outcome, string> = new Map(
  Object.entries(Outcome).map(([name, outcome]) => [outcome, name]),
);

export class LineDoor implements Door {
  readonly address = 'lines:';
  readonly #context: DoorContext;
  readonly #streams = new Set<Duplex>();
  #isOpen = false;
  #onEmpty: (() => void) | null = null;

  constructor(context: DoorContext) {
    this.#context = context;
  }

  async listen(): Promise<void> {
    this.#isOpen = true;
  }

  connect(): LineClient {
    if (!this.#isOpen) throw new Error('the door is closed');
    const [here, there] = duplexPair({ encoding: 'utf8' });
    new LineConnection(this.#context, here);
    this.#streams.add(here);
    here.once('close', () => {
      this.#streams.delete(here);
      if (this.#streams.size === 0) this.#onEmpty?.();
    });
    return new LineClient(there);
  }

  quiesce(): void {}

  async close(): Promise<void> {
    this.#isOpen = false;
    if (this.#streams.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const stream of this.#streams) stream.end();
    await empty;
  }

  abort(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}

/** @param onDoor hears of the door when the node has made it */
export function lineDoor(onDoor: (door: LineDoor) => void): DoorFactory {
  return {
    entryEncoders: [],
    create(context) {
      const door = new LineDoor(context);
      onDoor(door);
      return door;
    },
  };
}

class LineConnection {
  readonly #context: DoorContext;
  readonly #stream: Duplex;
  readonly #connection: ClientConnection;
  #rest = '';

  constructor(context: DoorContext, stream: Duplex) {
    this.#context = context;
    this.#stream = stream;
    this.#connection = new ClientConnection(stream);
    stream.on('data', (piece: string) => this.#onPiece(piece));
    // The client has gone: a stream in memory tells no more than that it has ended.
    stream.once('end', () => stream.end());
    stream.once('close', () => this.#connection.close());
  }

  #onPiece(piece: string): void {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
  }

  #onLine(line: string): void {
    const found = LINE.exec(line);
    if (found === null) {
      this.#stream.write(`? badRequest ${line}\n`);
      return;
    }
    const [, tag, method, key, value = ''] = found;
    if (this.#context.admission.isDraining) {
      this.#context.admission.countRefused();
      this.#stream.write(`${tag} overloaded ${DRAINING_SENTENCE}\n`);
      return;
    }
    const request = new LineRequest(
      this.#context,
      this.#connection,
      method as EntityMethod,
      Buffer.from(key),
      DEFAULT_REQUEST,
    );
    request.start(this.#stream, tag, Buffer.from(value));
  }
}

class LineRequest extends EntityRequest {
  #stream: Duplex | null = null;
  #tag = '';

  start(stream: Duplex, tag: string, value: Buffer): void {
    this.#stream = stream;
    this.#tag = tag;
    if (this.method === 'PUT') this.awaitValue(new WholeValue(value, this));
    this.queue();
  }

  protected get isClientGone(): boolean {
    return this.#stream?.destroyed === true;
  }

  protected answer(outcome: Outcome, value: Uint8Array | null, reason: string): void {
    if (outcome === Outcome.ok) this.#say(`OK ${value === null ? '' : Buffer.from(value)}`);
    else if (outcome === Outcome.notFound) this.#say('NONE');
    else this.#say(`${NAMES.get(outcome)} ${reason}`);
  }

  protected answerUnserved(outcome: Outcome, reason: string): void {
    this.#say(`${NAMES.get(outcome)} ${reason}`);
  }

  #say(what: string): void {
    if (!this.isClientGone) this.#stream?.write(`${this.#tag} ${what}\n`);
  }
}

/** A value that came with its line. */
class WholeValue implements ValueIntake {
  readonly reservedBytes = 0;
  readonly isSmall = true;
  readonly mayBegin = true;
  isOver = false;
  readonly #value: Buffer;
  readonly #owner: ValueOwner;

  constructor(value: Buffer, owner: ValueOwner) {
    this.#value = value;
    this.#owner = owner;
  }

  get expectedBytes(): number {
    return this.#value.length;
  }

  begin(): void {
    this.isOver = true;
    this.#owner.onValue(this.#value);
  }

  readOn(): void {}
  discard(): void {}
  stop(): void {}
}

export class LineClient implements Disposable {
  readonly #stream: Duplex;
  readonly #answers: string[] = [];
  readonly closed: Promise<void>;
  #rest = '';
  #onAnswer: (() => void) | null = null;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.closed = new Promise((resolve) => {
      stream.once('end', () => {
        stream.end();
        resolve();
      });
      stream.once('close', resolve);
    });
    stream.on('data', (piece: string) => {
      const lines = (this.#rest + piece).split('\n');
      this.#rest = lines.pop() ?? '';
      this.#answers.push(...lines);
      this.#onAnswer?.();
    });
  }

  say(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  /** The next one that has not been asked for. */
  async answer(): Promise<string> {
    while (this.#answers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onAnswer = resolve;
      });
    }
    return this.#answers.shift() ?? '';
  }

  ask(line: string): Promise<string> {
    this.say(line);
    return this.answer();
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
