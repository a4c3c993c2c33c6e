/**
 * Who a data folder belongs to, and its file, `IDENTITY`. Pure: bytes in, bytes out.
 *
 *   quorate-identity 2 8f3a01bc      magic, format version, CRC-32 in lower-case hexadecimal
 *   { "clusterId": "…", … }          the fields as JSON
 *
 * FORMAT.md draws it with an example. The checksum covers magic, version and JSON, so every
 * flipped byte is found: in the first line because it no longer reads as it must, behind it because the checksum no
 * longer agrees.
 */
import { crc32 } from 'node:zlib';
import type { Random } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import type { FolderHistory, FolderMemory } from '../folder-history.ts';

export const IDENTITY_FILE = 'IDENTITY';
const MAGIC = 'quorate-identity ';
const FORMAT_VERSION = 2;
/** Its offset in the first line: magic, one digit, a space, eight digits, a line feed. */
const CHECKSUM_AT = MAGIC.length + 2;
const HEADER_BYTES = CHECKSUM_AT + 9;

/**
 * Whether the folder holds everything that the node ever acknowledged.
 *
 * - `unproven`: the folder was empty, and not every other node has been heard: something may be missing.
 * - `whole`: nothing is missing.
 * - `incomplete`: something is missing: a peer knew this node with another folder or with a later state of this one, or
 *   a repair dropped a part. The node takes writes and counts for no read quorum.
 */
export type WholeState = 'unproven' | 'whole' | 'incomplete';

export interface Identity {
  readonly clusterId: string;
  readonly nodeId: string;
  /** 128 random bits in hexadecimal, drawn when the folder is first used: an emptied folder gets others. */
  readonly incarnation: string;
  /** In ms since the Unix epoch. */
  readonly createdMs: number;
  readonly whole: WholeState;
  /**
   * When an operator or a bulk load last declared the folder whole, in ms since the Unix epoch; 0: nobody did. Peers
   * that know of no later declaration accept the folder as it is.
   */
  readonly declaredMs: number;
  /** While it is incomplete: what a peer remembers of this node and the folder does not hold. */
  readonly missing: FolderMemory | null;
  /** Every timestamp that this node ever issued is below this. */
  readonly clockCeiling: number;
  /**
   * The engine held a record with this timestamp or a later one, so when it is opened it must still hold one. 0:
   * nothing is known.
   */
  readonly newestTimestamp: number;
  /** How far the folder has come. */
  readonly history: FolderHistory;
  /** What is known of each peer's folder, by node id. */
  readonly remembered: Readonly<Record<string, FolderMemory>>;
}

/** 128 random bits as 32 hexadecimal digits. */
export function randomIncarnation(random: Random): string {
  let digits = '';
  for (let word = 0; word < 4; word++) {
    digits += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  }
  return digits;
}

/** 32 random bits, not all of them 0. */
export function randomStartId(random: Random): number {
  return 1 + Math.floor(random() * 0xffff_ffff);
}

export function encodeIdentity(identity: Identity): Uint8Array {
  const body = Buffer.from(`${JSON.stringify(identity, null, 2)}\n`);
  return Buffer.concat([Buffer.from(headerLine(FORMAT_VERSION, body)), body]);
}

/** @throws QuorateError STORAGE that names file and offset when a byte is not what was written */
export function decodeIdentity(bytes: Uint8Array, path: string): Identity {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = headerLine(FORMAT_VERSION, file.subarray(HEADER_BYTES));
  const at = firstDifference(file, header);
  if (at >= 0) {
    refuseOtherVersion(file, path);
    throw damaged(path, isChecksum(file) && at >= CHECKSUM_AT ? HEADER_BYTES : at);
  }
  return JSON.parse(file.toString('utf8', HEADER_BYTES)) as Identity;
}

function firstDifference(file: Uint8Array, header: string): number {
  for (let at = 0; at < header.length; at++) if (file[at] !== header.charCodeAt(at)) return at;
  return -1;
}

/** Whether the first line has a checksum: if so, it is the rest of the file that does not match it. */
function isChecksum(file: Buffer): boolean {
  return /^[0-9a-f]{8}\n$/.test(file.toString('latin1', CHECKSUM_AT, HEADER_BYTES));
}

function headerLine(version: number, body: Uint8Array): string {
  const checksum = crc32(body, crc32(`${MAGIC}${version}\n`));
  return `${MAGIC}${version} ${checksum.toString(16).padStart(8, '0')}\n`;
}

/** A file of another format whose checksum is right is not damaged: it is from another release. */
function refuseOtherVersion(file: Buffer, path: string): void {
  const line = file.toString('latin1', 0, file.indexOf(10) + 1);
  const version = /^quorate-identity (\d{1,9}) [0-9a-f]{8}\n$/.exec(line)?.[1];
  if (version === undefined || headerLine(Number(version), file.subarray(line.length)) !== line) return;
  const advice =
    Number(version) > FORMAT_VERSION
      ? 'start the later release that wrote it'
      : 'start the release that wrote it, and write its entries into a cluster of this release, which has a folder of its own';
  throw new QuorateError(
    'STORAGE',
    `${path} has format version ${version} and this release reads version ${FORMAT_VERSION}: ${advice}`,
  );
}

function damaged(path: string, offset: number): QuorateError {
  return new QuorateError(
    'STORAGE',
    `${path} is damaged at byte ${offset}: put the file back from a copy, or empty the whole folder to let the node start anew`,
  );
}
