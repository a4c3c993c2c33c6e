/**
 * Whether a request was meant for this node. A page in a browser can have a name of its own lead to this node's
 * address, and then read and write it (DNS rebinding); but it cannot keep the browser from saying, in Host and in
 * Origin, whose page it is. Host is to be an address or a name of the node; Origin, which programs other than browsers
 * do not send, is to be the same as Host.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isAnyAddress, isLoopback } from '../host.ts';
import type { RequestFault } from './query.ts';

const NAME_AND_PORT = /^(\[[^\]]*\]|[^:[\]]*)(?::\d{0,5})?$/;

const MISSING: RequestFault = {
  status: 400,
  sentence: 'The request has no Host header, which HTTP/1.1 asks for.',
};
const REPEATED: RequestFault = { status: 400, sentence: 'The request has more than one Host header.' };
const MISDIRECTED: RequestFault = {
  status: 421,
  sentence:
    'The Host of the request is no address and no name of this node: use its address, or let the name in with --allow-host.',
};
const FOREIGN_ORIGIN: RequestFault = {
  status: 403,
  sentence: 'The Origin of the request is another one than this node: pages of others may not use it.',
};

export class HostCheck {
  readonly #isAnyAddress: boolean;
  readonly #isLoopback: boolean;
  readonly #names: ReadonlySet<string>;
  /** Most clients say the same again and again. */
  #lastAccepted: string | null = null;

  /** @param listenHost what the node listens on @param allowed further names */
  constructor(listenHost: string, allowed: readonly string[]) {
    this.#isAnyAddress = isAnyAddress(listenHost);
    this.#isLoopback = isLoopback(listenHost) || this.#isAnyAddress;
    this.#names = new Set([listenHost, ...allowed].map((name) => canonical(name)));
  }

  /** Every request comes through here, so one that repeats a Host and has no Origin costs next to nothing. */
  faultOf(request: IncomingMessage): RequestFault | null {
    const { rawHeaders } = request;
    let host: string | null = null;
    let origin: string | null = null;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i];
      if (name.length === 4 && isNamed(name, 'host')) {
        if (host !== null) return REPEATED;
        host = rawHeaders[i + 1];
      } else if (name.length === 6 && isNamed(name, 'origin')) {
        // No browser sends two of them.
        origin = origin === null ? rawHeaders[i + 1] : 'null';
      }
    }
    const target = request.url ?? '';
    // The host that a target names counts, and not the header.
    if (target.charCodeAt(0) !== 0x2f) host = authorityOf(target) ?? host;
    if (host === null) return isHttp10(request) && origin === null ? null : MISSING;
    if (host !== this.#lastAccepted) {
      if (!this.#isOwn(host)) return MISDIRECTED;
      this.#lastAccepted = host;
    }
    return origin === null || isOriginOf(origin, host) ? null : FOREIGN_ORIGIN;
  }

  #isOwn(host: string): boolean {
    const [, written] = NAME_AND_PORT.exec(host) ?? [];
    if (written === undefined || written === '') return false;
    const name = canonical(written);
    if (this.#names.has(name)) return true;
    // A client that names an address has looked up no name, so no name can have led it here.
    if (this.#isAnyAddress && isIP(name) !== 0) return true;
    return this.#isLoopback && isLoopbackName(name);
  }
}

/** Whether a request is for a host that is this machine for everybody: no name that was let in, no outward address. */
export function namesLoopback({ headers, url = '' }: IncomingMessage): boolean {
  const hosts = [headers.host ?? '', authorityOf(url) ?? headers.host ?? ''];
  return hosts.every((host) => {
    const [, written = ''] = NAME_AND_PORT.exec(host) ?? [];
    return isLoopbackName(canonical(written));
  });
}

/** @param name as `canonical` gives it */
function isLoopbackName(name: string): boolean {
  return isLoopback(name) || name.endsWith('.localhost');
}

function isNamed(name: string, lowerCase: string): boolean {
  return (name.charCodeAt(0) | 0x20) === lowerCase.charCodeAt(0) && name.toLowerCase() === lowerCase;
}

/** Without brackets, in lower case, without the dot that ends a full name; addresses of version 6 in their one form. */
function canonical(name: string): string {
  const bare = name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
  if (isIP(bare) !== 6) return bare;
  return (URL.parse(`http://[${bare}]`)?.hostname ?? bare).replace(/^\[(.*)\]$/, '$1');
}

/** The host of a target such as proxies are sent, `http://host/path`; null for any other target. */
function authorityOf(target: string): string | null {
  return /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? null;
}

/** Without the scheme, which is another one behind a proxy that speaks TLS for the node. */
function isOriginOf(origin: string, host: string): boolean {
  const lower = origin.toLowerCase();
  const own = host.toLowerCase();
  return lower === `http://${own}` || lower === `https://${own}`;
}

function isHttp10({ httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  return httpVersionMajor === 1 && httpVersionMinor === 0;
}
