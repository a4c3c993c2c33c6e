/** What `/v0/entity` asks of its query: the key, and the options of the request. Pure. */
import type { EntityMethod } from '../admission/entity-request.ts';
import { READ_REPAIRS, type ReadRepair } from '../config.ts';
import { ExplanationSlot } from '../explanation.ts';
import {
  Consistency,
  DEFAULT_REQUEST,
  quorumOptions,
  type RequestOptions,
  requestOptions,
} from '../request-options.ts';
import {
  badCount,
  badRequest,
  EMPTY_KEY,
  ParameterCursor,
  type RequestFault,
  readKey,
  repeated,
  unknownParameter,
} from './query.ts';

const CONSISTENCIES: ReadonlyMap<string, Consistency> = new Map([
  ['default', Consistency.default],
  ['linearizable', Consistency.linearizable],
]);
const REPAIRS: ReadonlyMap<string, ReadRepair> = new Map(READ_REPAIRS.map((repair) => [repair, repair]));

const PARAMETERS = ['id', 'ack', 'from', 'consistency', 'repair', 'ttl', 'explain'];

const TTL_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['', 1_000],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const TTL = /^(\d{1,9})([smhd]?)$/;
/** Ten years: what lives longer need not expire. */
const MAX_TTL_MS = 3_650 * 86_400_000;

/** One object reads the targets of all requests: its fields are those of the last. */
export class EntityQuery {
  key: Buffer = EMPTY_KEY;
  options: RequestOptions = DEFAULT_REQUEST;
  readonly #cursor = new ParameterCursor();
  #ack = 0;
  #from = 0;
  /** Null: not given, as of all that follow. */
  #consistency: Consistency | null = null;
  #repair: ReadRepair | null = null;
  #ttlMs: number | null = null;
  #explains: boolean | null = null;

  /** @param queryStart index behind the `?`, or the target's length where there is none */
  read(method: EntityMethod, target: string, queryStart: number, maxKeyBytes: number): RequestFault | null {
    const cursor = this.#cursor;
    cursor.reset(target, queryStart);
    this.key = EMPTY_KEY;
    this.#ack = 0;
    this.#from = 0;
    this.#consistency = null;
    this.#repair = null;
    this.#ttlMs = null;
    this.#explains = null;
    while (cursor.next()) {
      const fault = this.#readParameter(cursor, maxKeyBytes);
      if (fault !== null) return fault;
    }
    if (this.key.length === 0)
      return badRequest('The query parameter "id" is missing: it names the key, as in ?id=key1.');
    const isPlain = this.#consistency === null && this.#repair === null && this.#ttlMs === null;
    if (!isPlain || this.#explains === true) return this.#readOptions(method);
    this.options = quorumOptions(this.#ack, this.#from);
    return null;
  }

  #readParameter(cursor: ParameterCursor, maxKeyBytes: number): RequestFault | null {
    if (cursor.isNamed('id')) return this.#readKey(cursor, maxKeyBytes);
    if (cursor.isNamed('ack')) {
      if (this.#ack !== 0) return repeated('ack');
      this.#ack = cursor.wholeNumber();
      return this.#ack > 0 ? null : badCount('ack', this.#ack);
    }
    if (cursor.isNamed('from')) {
      if (this.#from !== 0) return repeated('from');
      this.#from = cursor.wholeNumber();
      return this.#from > 0 ? null : badCount('from', this.#from);
    }
    if (cursor.isNamed('consistency')) {
      if (this.#consistency !== null) return repeated('consistency');
      this.#consistency = CONSISTENCIES.get(cursor.text()) ?? null;
      return this.#consistency === null ? unknownWord('consistency', CONSISTENCIES) : null;
    }
    if (cursor.isNamed('repair')) {
      if (this.#repair !== null) return repeated('repair');
      this.#repair = REPAIRS.get(cursor.text()) ?? null;
      return this.#repair === null ? unknownWord('repair', REPAIRS) : null;
    }
    if (cursor.isNamed('ttl')) return this.#readTtl(cursor);
    if (cursor.isNamed('explain')) {
      if (this.#explains !== null) return repeated('explain');
      const word = cursor.text();
      if (word !== '0' && word !== '1')
        return badRequest('The query parameter "explain" is neither 1 nor 0.');
      this.#explains = word === '1';
      return null;
    }
    return unknownParameter(cursor, PARAMETERS);
  }

  #readKey(cursor: ParameterCursor, maxKeyBytes: number): RequestFault | null {
    if (this.key.length > 0) return repeated('id');
    const key = readKey(cursor, 'id', maxKeyBytes);
    if (!(key instanceof Uint8Array)) return key;
    if (key.length === 0)
      return badRequest('The query parameter "id" is empty: a key has at least one byte.');
    this.key = key;
    return null;
  }

  #readTtl(cursor: ParameterCursor): RequestFault | null {
    if (this.#ttlMs !== null) return repeated('ttl');
    const match = TTL.exec(cursor.text());
    if (match === null) {
      return badRequest(
        'The query parameter "ttl" is not a time such as 90s, 10m, 2h or 7d: a whole number of at most 9 digits and a unit, seconds without one.',
      );
    }
    const [, number, unit] = match;
    this.#ttlMs = Number(number) * (TTL_UNITS_MS.get(unit) ?? 0);
    if (this.#ttlMs === 0)
      return badRequest(
        'The query parameter "ttl" is 0: it must be at least 1s. A PUT without it has no end.',
      );
    if (this.#ttlMs > MAX_TTL_MS)
      return badRequest('The query parameter "ttl" is above 3650d: leave it out, and the value has no end.');
    return null;
  }

  #readOptions(method: EntityMethod): RequestFault | null {
    if (this.#ttlMs !== null && method !== 'PUT')
      return badRequest(
        `The query parameter "ttl" is for PUT: a ${method} writes no value that could expire.`,
      );
    if (this.#repair !== null && method !== 'GET')
      return badRequest(`The query parameter "repair" is for GET: a ${method} repairs nothing.`);
    const consistency = this.#consistency ?? Consistency.default;
    if (this.#repair === 'async' && consistency === Consistency.linearizable) {
      return badRequest(
        'A GET with consistency=linearizable repairs before it answers: "repair" must not be "async".',
      );
    }
    this.options = requestOptions({
      ack: this.#ack,
      from: this.#from,
      consistency,
      repair: this.#repair,
      ttlMs: this.#ttlMs ?? 0,
      explain: this.#explains === true ? new ExplanationSlot() : null,
    });
    return null;
  }
}

function unknownWord(name: string, words: ReadonlyMap<string, unknown>): RequestFault {
  const known = [...words.keys()].join(' or ');
  return badRequest(`The query parameter "${name}" is none of those that there are: ${known}.`);
}
