import type { Address } from './topology.ts';

/** As it stands in a URL: an address of version 6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
