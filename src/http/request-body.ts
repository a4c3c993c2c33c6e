/** What the headers say of a request's body. */
import type { IncomingMessage } from 'node:http';

/** A chunked body: its length shows at its end. */
const UNKNOWN_LENGTH = -1;
/** A transfer coding other than chunked, whose bytes would not be the value's. */
export const UNSUPPORTED_CODING = -2;
export const UNSUPPORTED_CODING_SENTENCE =
  'The body has a Transfer-Encoding other than chunked: send the value as it is.';

/** @returns bytes (0 without a body), UNKNOWN_LENGTH or UNSUPPORTED_CODING */
export function declaredBodyBytes(request: IncomingMessage): number {
  const { headers } = request;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) return /^chunked$/i.test(coding) ? UNKNOWN_LENGTH : UNSUPPORTED_CODING;
  const length = headers['content-length'];
  return length === undefined ? 0 : Number(length);
}
