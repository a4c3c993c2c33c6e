/** How requests for replicas and their answers are written in HTTP: FORMAT.md. Pure. */
import { FailureCode, MAX_FAILURE_CODE, mayPass } from '../failure.ts';
import { ReplyKind } from '../reply.ts';

export const SESSION_TARGET = '/v0/replica/session';
const KEY_TARGET = '/v0/replica?key=';
const VERSION_TARGET = '/v0/replica?versionOf=';
export const TIMEOUT_HEADER = 'Quorate-Timeout-Ms';
export const REPLY_HEADER = 'Quorate-Reply';
export const FAILURE_HEADER = 'Quorate-Failure';

/** Longer keys would not fit into the head of a request. */
export const MAX_TARGET_KEY_BYTES = 8_192;
export const MAX_HEAD_BYTES = 16 * 1024;
const MAX_TIMEOUT_MS = 0xffff_ffff;

const KIND_NAMES = ['ok', 'absent', 'failed', 'incomplete', 'stale'] as const satisfies Record<
  ReplyKind,
  string
>;
const KINDS: ReadonlyMap<string, ReplyKind> = new Map(
  Object.values(ReplyKind).map((kind) => [KIND_NAMES[kind], kind]),
);

export function targetOf(key: Uint8Array): string {
  return KEY_TARGET + written(key);
}

export function versionTargetOf(key: Uint8Array): string {
  return VERSION_TARGET + written(key);
}

/** The key of a target for a record; null when it names none. */
export function keyOf(target: string): Buffer | null {
  return keyBehind(KEY_TARGET, target);
}

/** The key of a target for a version; null when it names none. */
export function versionKeyOf(target: string): Buffer | null {
  return keyBehind(VERSION_TARGET, target);
}

function written(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64url');
}

function keyBehind(prefix: string, target: string): Buffer | null {
  if (!target.startsWith(prefix)) return null;
  const written = target.slice(prefix.length);
  const key = Buffer.from(written, 'base64url');
  // The decoder passes over what is no base64url: then the key would be another one than was meant.
  return key.length > 0 && key.toString('base64url') === written ? key : null;
}

/** Undefined, and never a wrong number, for a header that is missing or is no time. */
export function timeoutOf(header: string | string[] | undefined): number | undefined {
  return wholeNumber(header, MAX_TIMEOUT_MS);
}

/** @param isWrite what was asked for */
export function statusOf(kind: ReplyKind, code: number, isWrite: boolean): number {
  switch (kind) {
    case ReplyKind.ok:
      return isWrite ? 201 : 200;
    case ReplyKind.absent:
      return 404;
    case ReplyKind.stale:
      return 409;
    case ReplyKind.incomplete:
      return 203;
    default:
      return mayPass(code) ? 503 : 500;
  }
}

export function kindName(kind: ReplyKind): string {
  return KIND_NAMES[kind];
}

/** Undefined: the answer is none of a replica. */
export function kindOf(header: string | string[] | undefined): ReplyKind | undefined {
  return typeof header === 'string' ? KINDS.get(header) : undefined;
}

/** The failure's number; undefined: the answer is none of a replica. */
export function failureOf(header: string | string[] | undefined): number | undefined {
  const code = wholeNumber(header, MAX_FAILURE_CODE);
  return code === FailureCode.none ? undefined : code;
}

function wholeNumber(header: string | string[] | undefined, most: number): number | undefined {
  if (typeof header !== 'string' || !/^\d{1,10}$/.test(header)) return undefined;
  const value = Number(header);
  return value <= most ? value : undefined;
}
