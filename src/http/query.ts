/**
 * What the routes ask of a query string, and the sentences for those that cannot be read. Parameters that a route
 * does not know are left unread; one that it knows may stand once. Pure.
 */
import { MAX_DIGITS, ParameterCursor } from './parameters.ts';

export interface RequestFault {
  readonly status: number;
  /** For the client: names what is wrong. */
  readonly sentence: string;
}

const EMPTY = Buffer.alloc(0);

/** `id=K[&ack=A&from=F]`. One object reads the targets of all requests: its fields are those of the last. */
export class EntityQuery {
  key: Buffer = EMPTY;
  /** 0: not given. */
  ack = 0;
  /** 0: not given. */
  from = 0;
  readonly #cursor = new ParameterCursor();

  /** @param queryStart index behind the `?`, or the target's length where there is none */
  read(target: string, queryStart: number, maxKeyBytes: number): RequestFault | null {
    const cursor = this.#cursor;
    cursor.reset(target, queryStart);
    this.key = EMPTY;
    this.ack = 0;
    this.from = 0;
    let hasKey = false;
    while (cursor.next()) {
      if (cursor.isNamed('id')) {
        if (hasKey) return repeated('id');
        const key = readKey(cursor, 'id', maxKeyBytes);
        if (!(key instanceof Uint8Array)) return key;
        if (key.length === 0)
          return badRequest('The query parameter "id" is empty: a key has at least one byte.');
        this.key = key;
        hasKey = true;
      } else if (cursor.isNamed('ack')) {
        if (this.ack !== 0) return repeated('ack');
        this.ack = cursor.wholeNumber();
        if (this.ack <= 0) return badCount('ack', this.ack);
      } else if (cursor.isNamed('from')) {
        if (this.from !== 0) return repeated('from');
        this.from = cursor.wholeNumber();
        if (this.from <= 0) return badCount('from', this.from);
      }
    }
    return hasKey
      ? null
      : badRequest('The query parameter "id" is missing: it names the key, as in ?id=key1.');
  }
}

/** `start=K[&end=L]`; an empty `start` is the first key there is. */
export class RangeQuery {
  start: Buffer = EMPTY;
  /** Null: to the last key. */
  end: Buffer | null = null;
  readonly #cursor = new ParameterCursor();

  read(target: string, queryStart: number, maxKeyBytes: number): RequestFault | null {
    const cursor = this.#cursor;
    cursor.reset(target, queryStart);
    this.start = EMPTY;
    this.end = null;
    let hasStart = false;
    while (cursor.next()) {
      if (cursor.isNamed('start')) {
        if (hasStart) return repeated('start');
        const key = readKey(cursor, 'start', maxKeyBytes);
        if (!(key instanceof Uint8Array)) return key;
        this.start = key;
        hasStart = true;
      } else if (cursor.isNamed('end')) {
        if (this.end !== null) return repeated('end');
        const key = readKey(cursor, 'end', maxKeyBytes);
        if (!(key instanceof Uint8Array)) return key;
        this.end = key;
      }
    }
    if (hasStart) return null;
    return badRequest('The query parameter "start" is missing: ?start= alone starts at the first key.');
  }

  /** Nothing lies between the two. */
  get isEmpty(): boolean {
    return this.end !== null && Buffer.compare(this.end, this.start) <= 0;
  }
}

function readKey(cursor: ParameterCursor, name: string, maxKeyBytes: number): Buffer | RequestFault {
  const key = cursor.bytes();
  if (key === null) {
    return badRequest(
      `The query parameter "${name}" is not percent-encoded UTF-8: a percent sign of its own is %25, a # is %23.`,
    );
  }
  if (key.length <= maxKeyBytes) return key;
  const sentence = `The query parameter "${name}" has ${key.length} bytes: a key has at most ${maxKeyBytes}.`;
  return { status: 413, sentence };
}

function repeated(name: string): RequestFault {
  return badRequest(`The query parameter "${name}" is given more than once.`);
}

function badCount(name: string, count: number): RequestFault {
  return badRequest(
    count === 0
      ? `The query parameter "${name}" is 0: it must be at least 1.`
      : `The query parameter "${name}" is not a whole number of at most ${MAX_DIGITS} digits.`,
  );
}

function badRequest(sentence: string): RequestFault {
  return { status: 400, sentence };
}
