/** IP addresses as sockets tell them, as bytes. Pure. */
const GROUPS = 8;
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0xffff];

/** @returns 4 or 16 bytes; null for what is no address */
export function addressBytes(text: string): Uint8Array | null {
  if (!text.includes(':')) return ipv4Bytes(text);
  const address = text.split('%', 1)[0];
  const [head, tail, ...more] = address.split('::').map(groupsOf);
  if (more.length > 0 || head === undefined) return null;
  const left = GROUPS - head.length - (tail?.length ?? 0);
  if (tail === undefined ? left !== 0 : left < 0) return null;
  const groups = tail === undefined ? head : [...head, ...new Array<number>(left).fill(0), ...tail];
  if (groups.some((group) => !(group >= 0 && group <= 0xffff))) return null;
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/**
 * The client that an address belongs to, as far as it tells: one host of IPv4, but a network of 64 bits of IPv6, because
 * whoever has one address of such a network has them all.
 */
export function clientOf(address: string | undefined): string {
  const bytes = address === undefined ? null : addressBytes(address);
  if (bytes === null) return '';
  if (bytes.length === 4) return bytes.join('.');
  const view = new DataView(bytes.buffer);
  if (MAPPED_PREFIX.every((group, i) => view.getUint16(2 * i) === group)) return bytes.subarray(12).join('.');
  return Buffer.from(bytes.buffer, 0, 8).toString('hex');
}

function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.'))
      return [/^[0-9a-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : Number.NaN];
    const bytes = ipv4Bytes(group);
    return bytes === null ? [Number.NaN] : [(bytes[0] << 8) | bytes[1], (bytes[2] << 8) | bytes[3]];
  });
}

function ipv4Bytes(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return null;
  return Uint8Array.from(parts, Number);
}
