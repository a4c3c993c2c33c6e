import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Where something listens. */
export interface Address {
  /** A name or an IP address, one of version 6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Those of version 4 in the form of version 6 are among them. */
const LOOPBACK_IPV6 = new BlockList();
LOOPBACK_IPV6.addAddress('::1', 'ipv6');
LOOPBACK_IPV6.addSubnet('127.0.0.0', 8, 'ipv4');

/** All addresses of version 4, also in the form of version 6. */
const ANY_IPV4 = new BlockList();
ANY_IPV4.addAddress('0.0.0.0', 'ipv4');
const ANY_IPV6 = new BlockList();
ANY_IPV6.addAddress('::', 'ipv6');

/** As it stands in a URL: an address of version 6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only programs on this machine can reach it. A name that is not `localhost` may mean anything. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (isIPv4(name)) return name.startsWith('127.');
  if (isIPv6(name)) return LOOPBACK_IPV6.check(name, 'ipv6');
  return name === 'localhost';
}

/** Whether who listens on it listens on all addresses of the machine. */
export function isAnyAddress(host: string): boolean {
  return hostFromHere(host) !== host;
}

/** Where programs on this machine reach what listens on `host`: all addresses are none that one can connect to. */
export function hostFromHere(host: string): string {
  if (!isIPv4(host) && !isIPv6(host)) return host;
  const version = isIPv4(host) ? 'ipv4' : 'ipv6';
  if (ANY_IPV4.check(host, version)) return '127.0.0.1';
  return ANY_IPV6.check(host, version) ? '::1' : host;
}
