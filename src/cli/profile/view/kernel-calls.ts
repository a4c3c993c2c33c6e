/**
 * Which native functions are little more than one call to the system. V8's profiler shows each native function that
 * JavaScript calls as a frame of its own, so the time in it is known by sampling; that nearly all of it is spent in the
 * kernel is what this table says. Pure.
 */
import type { CallFrame } from '../profile-folder.ts';

const FILE_CALLS: ReadonlySet<string> = new Set([
  'access',
  'close',
  'fdatasync',
  'fstat',
  'fsync',
  'ftruncate',
  'link',
  'lstat',
  'mkdir',
  'open',
  'read',
  'readBuffers',
  'readdir',
  'rename',
  'rmdir',
  'stat',
  'unlink',
  'writeBuffer',
  'writeBuffers',
  'writeString',
]);
const STREAM_CALLS: ReadonlySet<string> = new Set([
  'shutdown',
  'writeAsciiString',
  'writeBuffer',
  'writeLatin1String',
  'writeUcs2String',
  'writeUtf8String',
  'writev',
]);
const STREAMS = 'node:internal/stream_base_commons';
const DATAGRAMS = 'node:dgram';

/**
 * @param caller of the native function
 * @returns what the kernel is asked for; undefined: something else
 */
export function kernelCallOf({ functionName, url }: CallFrame, caller: CallFrame): string | undefined {
  if (url !== '') return undefined;
  if (caller.url === STREAMS && STREAM_CALLS.has(functionName)) return 'socket write';
  if (caller.url === DATAGRAMS && functionName === 'send') return 'datagram';
  const isFile = caller.url.startsWith('node:fs') || caller.url.startsWith('node:internal/fs');
  return isFile && FILE_CALLS.has(functionName) ? `file ${functionName}` : undefined;
}
