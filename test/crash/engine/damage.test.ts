/**
 * Bytes of every kind of file changed, every kind cut, and things put behind its end: the engine gives the right
 * values or an error that names file and offset, never a wrong value and never a fault of its own; and `verify` finds
 * what the engine finds. Where a batch of a log or manifest begins and ends decides what is expected, so every place of
 * those is tried, and of CURRENT; tables, whose damage must always be found, are tried at every ninth place.
 * DAMAGE=all (`npm run damage`) tries every place of every file, and changes each byte in three ways instead of one.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { FILE_HEADER_BYTES, FileMagic } from '../../../native-free-lsm/log/log-format.ts';
import { dumpFile } from '../../../native-free-lsm/offline/dump.ts';
import { surveyLog } from '../../../native-free-lsm/offline/log-survey.ts';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { parseFileName } from '../../../native-free-lsm/version/file-names.ts';
import { QuorateError } from '../../../src/errors.ts';
import { inspectFolder } from '../../../src/replica/identity.ts';
import { encodeIdentity, type Identity } from '../../../src/replica/identity-file.ts';
import {
  type Contents,
  DIRECTORY,
  type Files,
  type Outcome,
  placeFiles,
  type SampleFolder,
  sampleFolder,
  tombstonesOf,
  useFolder,
  verifyFiles,
} from '../../support/damaged-folder.ts';

const MASKS = [0x01, 0x80, 0xff];
const IS_WHOLE = process.env.DAMAGE === 'all';
/** Of a table, unless everything is asked for, only each such place. */
const TABLE_STEP = 9;
const DAMAGE_CODES = ['CORRUPTION', 'UNSUPPORTED_FORMAT'];
const CUT =
  /^(?:cut \d+ bytes that were never acknowledged from log \d+|passed over \d+ bytes at the end of \S+ that never took effect)$/;

/** What the engine made of one damaged folder. */
type Verdict =
  /** An error named the place. */
  | 'refused'
  /** The end of a log or manifest was given up as torn, and the operator was told. */
  | 'cut'
  /** All values are right, and nobody was told: the bytes mean nothing, or nothing came after the end. */
  | 'unnoticed';

interface Trial {
  readonly files: Files;
  readonly file: string;
  readonly place: string;
  /** The contents that must be found when nobody is told of damage. */
  readonly contents: Contents;
}

async function judge({ files, file, place, contents }: Trial): Promise<Verdict> {
  const outcome = await useFolder(placeFiles(files), [...contents.keys()]);
  assertNamed(outcome, file, place);
  assertRight(outcome, contents, place);
  const { damages } = verifyFiles(placeFiles(files));
  // What slots hold is read from the entries when a table's list of it is damaged.
  const isRefused = outcome.errors.length + outcome.conditions.length > 0;
  assert.equal(damages.length > 0, isRefused, `${place}: verify says ${JSON.stringify(damages)}`);
  if (isRefused) return 'refused';
  return outcome.reports.some((report) => CUT.test(report)) ? 'cut' : 'unnoticed';
}

/**
 * Every error names the damaged file and a place in it; or, when a manifest's end is lost, a table that the manifest
 * still names and that no longer exists.
 */
function assertNamed({ conditions, errors }: Outcome, file: string, place: string): void {
  for (const message of conditions) {
    const isGone = kindOf(file) === 'manifest' && message.includes(' is missing');
    assert.ok(
      isGone || message.startsWith(`${DIRECTORY}/${file} is damaged at byte `),
      `${place}: ${message}`,
    );
  }
  for (const { code, file: named, message, offset } of errors) {
    assert.ok(DAMAGE_CODES.includes(code), `${place}: ${code} ${message}`);
    const isGone = kindOf(file) === 'manifest' && message === `${named} is missing`;
    assert.ok(isGone || named === `${DIRECTORY}/${file}`, `${place}: ${message}`);
    assert.ok(offset !== undefined && offset >= 0, `${place}: ${message}`);
    assert.match(message, /^\/db\/\S+ /, place);
  }
}

function assertRight({ read }: Outcome, contents: Contents, place: string): void {
  const wrong = read.find(({ key, record }) => (contents.get(key) ?? null) !== record);
  assert.equal(wrong, undefined, `${place}: ${JSON.stringify(wrong)}`);
}

/** By kind of file and verdict the places, in their order. */
class Verdicts {
  readonly #places = new Map<string, Set<number>>();

  add(file: string, verdict: Verdict, at: number): void {
    const name = `${kindOf(file)} ${verdict}`;
    this.#places.set(name, (this.#places.get(name) ?? new Set()).add(at));
  }

  /** Places with that verdict, each once. */
  of(kind: string, verdict: Verdict): readonly number[] {
    return [...(this.#places.get(`${kind} ${verdict}`) ?? [])].sort((a, b) => a - b);
  }
}

function kindOf(name: string): string {
  return parseFileName(name)?.kind ?? 'unknown';
}

function stepOf(file: string): number {
  return kindOf(file) === 'table' && !IS_WHOLE ? TABLE_STEP : 1;
}

for (const isClosed of [true, false]) {
  describe(`a folder whose engine was ${isClosed ? 'closed' : 'killed'}`, {
    timeout: IS_WHOLE ? 3_600_000 : 280_000,
  }, () => {
    let folder: SampleFolder;
    /** Where the batches of the log end, including its header and its mark of a clean close. */
    let batchEnds: readonly number[];
    /** Those with a write. */
    let putEnds: readonly number[];
    let manifestEnds: readonly number[];

    before(async () => {
      folder = await sampleFolder(isClosed);
      batchEnds = endsOf(folder, 'log');
      putEnds = putEndsOf(folder);
      manifestEnds = endsOf(folder, 'manifest');
      assert.equal(putEnds.length, folder.afterBatches.length - 1);
    });

    /** @param wholeBytes how many bytes of the log, from its start, are unchanged */
    function trial(file: string, bytes: Uint8Array, place: string, wholeBytes: number): Trial {
      const whole = putEnds.filter((end) => end <= wholeBytes).length;
      const { afterBatches, contents, files } = folder;
      const isLog = kindOf(file) === 'log';
      return {
        files: new Map([...files, [file, bytes]]),
        file,
        place: `${file} ${place}`,
        contents: isLog ? afterBatches[whole] : contents,
      };
    }

    /** Tables and CURRENT are the same, byte for byte, in both folders. */
    function isTriedBefore(file: string): boolean {
      return !isClosed && ['current', 'table'].includes(kindOf(file));
    }

    test('the undamaged folder is right, and holds everything that the trials need', async () => {
      const { files, contents } = folder;
      const outcome = await useFolder(placeFiles(files), [...contents.keys()]);
      assert.deepEqual([outcome.errors, outcome.reports], [[], []]);
      assertRight(outcome, contents, 'undamaged');
      assert.equal(outcome.read.length, contents.size * 4);
      assert.deepEqual(verifyFiles(placeFiles(files)).damages, []);
      assert.deepEqual(
        new Set([...files.keys()].map(kindOf)),
        new Set(['current', 'log', 'manifest', 'table']),
      );
      const packed = [...files.values()].filter((bytes) =>
        Buffer.from(bytes).includes('(\xb5/\xfd', 0, 'latin1'),
      );
      assert.equal(packed.length, 1, 'one table is compressed');
      assert.ok(tombstonesOf(contents) > 2);
    });

    test('a byte changed, at each place', async () => {
      const verdicts = new Verdicts();
      for (const [file, whole] of folder.files) {
        if (isTriedBefore(file)) continue;
        const step = stepOf(file);
        for (let at = 0; at < whole.length; at += step) {
          for (const mask of IS_WHOLE ? MASKS : [MASKS[(at / step) % MASKS.length]]) {
            const bytes = Uint8Array.from(whole);
            bytes[at] ^= mask;
            verdicts.add(file, await judge(trial(file, bytes, `byte ${at} ^ ${mask}`, at)), at);
          }
        }
      }
      for (const kind of ['current', 'log', 'manifest', 'table']) {
        assert.deepEqual(verdicts.of(kind, 'unnoticed'), [], `no byte of a ${kind} means nothing`);
      }
      for (const kind of ['current', 'table']) assert.deepEqual(verdicts.of(kind, 'cut'), []);
      // In a log that was not closed, only the last batch may be an interrupted append.
      assert.deepEqual(verdicts.of('log', 'cut'), bytesFrom(batchEnds));
      // As long as the rest of the folder agrees, so may the last edit of a manifest; here it was a flush.
      assert.deepEqual(verdicts.of('manifest', 'cut'), isClosed ? bytesFrom(manifestEnds) : []);
    });

    test('cut, at each place', async () => {
      const verdicts = new Verdicts();
      for (const [file, whole] of folder.files) {
        if (isTriedBefore(file)) continue;
        for (let length = 0; length < whole.length; length += stepOf(file)) {
          const verdict = await judge(trial(file, whole.subarray(0, length), `cut to ${length}`, length));
          verdicts.add(file, verdict, length);
        }
      }
      for (const kind of ['current', 'table']) {
        assert.deepEqual([verdicts.of(kind, 'unnoticed'), verdicts.of(kind, 'cut')], [[], []]);
      }
      // Nothing in a log says that there was more behind a batch. These are all such places, because the manifest says
      // that the log was begun, so that it must have its header.
      assert.deepEqual(verdicts.of('log', 'unnoticed'), batchEnds.slice(0, -1));
      const inHeader = Array.from({ length: FILE_HEADER_BYTES }, (_, length) => length);
      assert.deepEqual(verdicts.of('log', 'refused'), inHeader);
      // A manifest without its last edit does not match the rest of the folder.
      assert.deepEqual(verdicts.of('manifest', 'unnoticed'), isClosed ? [manifestEnds.at(-2)] : []);
    });

    test('with something behind its end', async () => {
      const verdicts = new Verdicts();
      for (const [file, whole] of folder.files) {
        const tails = [
          [0],
          [0xff],
          Array(8).fill(0),
          Array(100).fill(0xa5),
          [...whole.subarray(-64)],
          [...whole],
        ];
        for (const [i, tail] of tails.entries()) {
          const bytes = Uint8Array.from([...whole, ...tail]);
          verdicts.add(file, await judge(trial(file, bytes, `tail ${i}`, whole.length)), i);
        }
      }
      const expected = { current: 'refused', table: 'refused', log: 'cut', manifest: 'cut' } as const;
      for (const [kind, verdict] of Object.entries(expected)) {
        // Nothing can be torn behind the mark of a clean close.
        const isMarked = isClosed && verdict === 'cut';
        // Before it there may be zeros, the room that a writer makes ahead of its batches.
        const told = kind === 'log' && !isMarked ? [1, 3, 4, 5] : [0, 1, 2, 3, 4, 5];
        assert.deepEqual(verdicts.of(kind, isMarked ? 'refused' : verdict), told, kind);
      }
    });
  });
}

describe('the file that says whose folder it is', () => {
  const owner = { clusterId: 'demo', nodeId: 'node-1' };
  const path = '/data/IDENTITY';
  const identity: Identity = {
    ...owner,
    incarnation: '0123456789abcdef0123456789abcdef',
    createdMs: 1_700_000_000_000,
    whole: 'whole',
    declaredMs: 0,
    missing: null,
    clockCeiling: 2 ** 45,
    newestTimestamp: 5,
    history: { progress: 7, starts: [{ id: 9, from: 3 }] },
    remembered: {
      'node-2': { incarnation: 'fedcba9876543210fedcba9876543210', startId: 5, progress: 2, declaredMs: 0 },
    },
  };

  async function read(bytes: Uint8Array): Promise<unknown> {
    const fs = new MemoryFileSystem();
    fs.place(path, bytes);
    return inspectFolder(fs, '/data', owner);
  }

  test('every byte changed, cut at every length, and with something behind its end', async () => {
    const whole = encodeIdentity(identity);
    assert.deepEqual(await read(whole), identity);
    const damaged: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at++) {
      damaged.push(whole.slice(0, at));
      for (const mask of MASKS) damaged.push(whole.map((byte, i) => (i === at ? byte ^ mask : byte)));
    }
    for (const tail of [[0], [0x20], [0x0a], [...whole]]) damaged.push(Uint8Array.from([...whole, ...tail]));
    for (const bytes of damaged) {
      await assert.rejects(read(bytes), (error) => {
        assert.ok(error instanceof QuorateError, `${error}`);
        const offset = Number(/^\/data\/IDENTITY is damaged at byte (\d+): /.exec(error.message)?.[1]);
        assert.ok(offset <= bytes.length, error.message);
        return error.code === 'STORAGE';
      });
    }
  });
});

/** Where the header and each batch of a file end. */
function endsOf({ files }: SampleFolder, kind: 'log' | 'manifest'): number[] {
  for (const name of files.keys()) {
    const file = parseFileName(name);
    if (file?.kind !== kind) continue;
    const { batches } = surveyLog(placeFiles(files), `${DIRECTORY}/${name}`, FileMagic[kind], file.number);
    return [FILE_HEADER_BYTES, ...batches.map(({ offset, lengthBytes }) => offset + lengthBytes)];
  }
  throw new Error(`no ${kind}`);
}

function putEndsOf({ files }: SampleFolder): number[] {
  const ends = new Set<number>();
  const name = [...files.keys()].find((file) => kindOf(file) === 'log')!;
  let end = 0;
  for (const item of dumpFile(placeFiles(files), DIRECTORY, name, {})) {
    if (item.type === 'batch') end = item.offset + item.lengthBytes;
    if (item.type === 'entry' || item.type === 'rangeTombstone') ends.add(end);
  }
  return [...ends];
}

/** The places of the last batch. */
function bytesFrom(ends: readonly number[]): number[] {
  const [start, end] = ends.slice(-2);
  return Array.from({ length: end - start }, (_, i) => start + i);
}
