/**
 * Which formats the files of a data folder have, and what of each occurs in them. Read from the bytes as FORMAT.md
 * draws them, without the engine's own readers: what a later engine reads differently must not change what was written.
 */
const FILE_HEADER_BYTES = 16;
const BATCH_HEADER_BYTES = 32;
const FOOTER_BYTES = 32;
const META_ENTRY_BYTES = 16;
const TRAILER_BYTES = 5;
const MetaBlock = { index: 1, slotVersions: 4 } as const;

/** By the name of a format or of a part, all numbers that occur, in ascending order. */
export type WrittenFormats = Readonly<Record<string, readonly number[]>>;

/** Those that are versions; all else says what occurs. */
export const ENGINE_VERSIONS = ['record', 'table', 'slot versions', 'log', 'manifest'] as const;
export const VERSIONS = [...ENGINE_VERSIONS, 'IDENTITY', 'cluster.json'] as const;

class Occurrences {
  readonly #numbers = new Map<string, Set<number>>();

  add(name: string, number: number): void {
    const numbers = this.#numbers.get(name) ?? new Set();
    this.#numbers.set(name, numbers.add(number));
  }

  all(): WrittenFormats {
    const sorted = Array.from(
      this.#numbers,
      ([name, numbers]) => [name, [...numbers].sort((a, b) => a - b)] as const,
    );
    return Object.fromEntries(sorted);
  }
}

export function writtenFormats(files: ReadonlyMap<string, Uint8Array>): WrittenFormats {
  const found = new Occurrences();
  for (const [name, bytes] of files) {
    const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (/(?:^|\/)\d+\.sst$/.test(name)) addTable(found, file);
    else if (/(?:^|\/)\d+\.log$/.test(name)) addBatches(found, file, 'log');
    else if (/(?:^|\/)MANIFEST-\d+$/.test(name)) addBatches(found, file, 'manifest');
    else if (/(?:^|\/)IDENTITY$/.test(name)) found.add('IDENTITY', Number(file.toString().split(' ')[1]));
    else if (name === 'cluster.json') found.add(name, JSON.parse(file.toString()).format);
  }
  return found.all();
}

function addBatches(found: Occurrences, file: Buffer, kind: 'log' | 'manifest'): void {
  found.add(kind, file.readUInt32LE(4));
  for (let at = FILE_HEADER_BYTES; at + BATCH_HEADER_BYTES <= file.length; ) {
    const body = at + BATCH_HEADER_BYTES;
    const end = body + file.readUInt32LE(at + 8);
    found.add('batch kind', file.readUInt32LE(at + 16));
    if (kind === 'log') for (let frame = body; frame < end; ) frame = addFrame(found, file, frame);
    at = end;
  }
}

/** @returns where the next frame starts */
function addFrame(found: Occurrences, file: Buffer, at: number): number {
  const payload = at + 8;
  const end = payload + file.readUInt32LE(at);
  const operation = file[payload];
  found.add('log operation', operation);
  if (operation === 1) addPut(found, file, payload, 1, 2);
  else if (operation === 2) {
    for (let put = payload + 8; put < end; ) put = addPut(found, file, put, 2, 0);
  }
  return payload + Math.ceil((end - payload) / 8) * 8;
}

/** @returns where the next put of a batch starts */
function addPut(
  found: Occurrences,
  file: Buffer,
  at: number,
  flagsOffset: number,
  keyLengthOffset: number,
): number {
  const flags = file[at + flagsOffset];
  found.add('put flags', flags);
  const record = at + 8 + file.readUInt16LE(at + keyLengthOffset);
  if ((flags & 2) === 0) {
    found.add('record', file[record]);
    found.add('record flags', file[record + 1]);
  }
  return record + file.readUInt32LE(at + 4);
}

function addTable(found: Occurrences, file: Buffer): void {
  const footer = file.length - FOOTER_BYTES;
  found.add('table', file.readUInt32LE(footer + 16));
  const directory = file.readUInt32LE(footer + 4);
  for (let at = directory; at < footer; at += META_ENTRY_BYTES) {
    const type = file.readUInt16LE(at);
    const offset = file.readUInt32LE(at + 4);
    found.add('meta block', type);
    if (type === MetaBlock.slotVersions) found.add('slot versions', file[offset]);
    if (type === MetaBlock.index) addBlocks(found, file, offset);
  }
}

function addBlocks(found: Occurrences, file: Buffer, index: number): void {
  const blocks = file.readUInt32LE(index);
  const entry = (block: number): number => index + 8 + 16 * block;
  for (let block = 0; block < blocks; block++) {
    // Behind the last entry stands where data blocks end.
    const end = file.readUInt32LE(entry(block + 1) + 4);
    found.add('block compression', file[end - TRAILER_BYTES]);
  }
}
