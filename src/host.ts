/** What can be told of a host by its name or its IP address alone. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** It includes IPv4 loopback addresses in IPv6 form. */
const LOOPBACK_IPV6 = new BlockList();
LOOPBACK_IPV6.addAddress('::1', 'ipv6');
LOOPBACK_IPV6.addSubnet('127.0.0.0', 8, 'ipv4');

/** All IPv4 addresses, also in IPv6 form. */
const ANY_IPV4 = new BlockList();
ANY_IPV4.addAddress('0.0.0.0', 'ipv4');
const ANY_IPV6 = new BlockList();
ANY_IPV6.addAddress('::', 'ipv6');

/** Whether only programs on this machine can reach it. A name other than `localhost` may mean anything. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (isIPv4(name)) return name.startsWith('127.');
  if (isIPv6(name)) return LOOPBACK_IPV6.check(name, 'ipv6');
  return name === 'localhost';
}

/** Whether a server on this address listens on all addresses of the machine. */
export function isAnyAddress(host: string): boolean {
  return hostFromHere(host) !== host;
}

/**
 * The address under which programs on this machine reach what listens on `host`: nobody can connect to "all addresses".
 */
export function hostFromHere(host: string): string {
  if (!isIPv4(host) && !isIPv6(host)) return host;
  const version = isIPv4(host) ? 'ipv4' : 'ipv6';
  if (ANY_IPV4.check(host, version)) return '127.0.0.1';
  return ANY_IPV6.check(host, version) ? '::1' : host;
}
