/** What a node may be called. Pure. */

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** No file or folder can have these names on Windows, whatever their ending. */
const RESERVED_NAME = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** Of a node, a zone or a cluster. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** Whether a folder can have this name on every system, beside others and not instead of them. */
export function isFolderName(name: string): boolean {
  return !/^\.|\.$/.test(name) && !RESERVED_NAME.test(name);
}

/** The id of a node also names its folder. */
export function isNodeId(value: unknown): value is string {
  return isName(value) && isFolderName(value);
}
