/**
 * An error on its way from one thread to another: JSON of its code, message, file, offset and the system's code. Its
 * stack says nothing to the other thread. (Structured cloning would lose the code.)
 */
import { LsmError, outOfMemory } from '../../errors.ts';

export function encodeError(error: LsmError): Buffer {
  const { code, message, file, offset, systemCode } = error;
  return Buffer.from(JSON.stringify({ code, message, file, offset, systemCode }));
}

/** The error in `bytes[start, end)`. */
export function decodeError(bytes: Uint8Array, start = 0, end = bytes.length): LsmError {
  const json = Buffer.from(bytes.slice(start, end)).toString();
  const { code, message, file, offset, systemCode } = JSON.parse(json);
  return new LsmError(code, message, {
    ...(file && { file }),
    ...(offset !== undefined && { offset }),
    ...(systemCode && { cause: { code: systemCode } }),
  });
}

/** @param doing what failed, as in `syncing the log` */
export function toLsmError(error: unknown, doing: string): LsmError {
  if (error instanceof LsmError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return outOfMemory(doing, error) ?? new LsmError('IO_ERROR', `${doing}: ${message}`, { cause: error });
}
