import type { Request } from '../../src/cli/load/request-writer.ts';

/** The messages between the benchmark and its load processes. */

export const METHODS = ['PUT', 'GET', 'SCAN'] as const;
export type Method = (typeof METHODS)[number];

/** One load, from connections that a process of its own opens. */
export interface Load {
  readonly port: number;
  readonly method: Method;
  /** The number of connections; each has one request at a time. */
  readonly connections: number;
  /** Requests per second over all connections; 0: each connection sends again as soon as it has its answer. */
  readonly ratePerSecond: number;
  readonly valueBytes: number;
  /** The number of keys, which `keyName` names. */
  readonly keys: number;
  /** The number of entries in each scan. */
  readonly scanEntries: number;
  /** Counted from the first byte sent; a good answer that comes later counts as late. */
  readonly deadlineMs: number;
  /** A refused client comes back when Retry-After says, and not at once. */
  readonly heedsRetryAfter: boolean;
  /** How long the load runs before anything counts. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Connections that are opened one after the other beside a load, each for one `GET /v0/status`. */
export interface FreshLoad {
  readonly port: number;
  readonly perSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** How many requests ended in each way. Each is counted once. */
export interface Answers {
  /** 2xx within the deadline. */
  good: number;
  /** 2xx after the deadline. */
  late: number;
  status503: number;
  status504: number;
  otherStatus: number;
  /** The connection could not be made, or ended without an answer. */
  broken: number;
}

export function noAnswers(): Answers {
  return { good: 0, late: 0, status503: 0, status504: 0, otherStatus: 0, broken: 0 };
}

export interface LoadResult {
  readonly answers: Answers;
  /** Bytes of values in good answers; for PUT, of values that were stored in time. */
  readonly goodBytes: number;
  /** Latency of good and late answers. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Latency of 503 answers: how soon a refused client knows. */
  readonly refusedP99Ms: number;
}

export interface FreshResult {
  readonly answered: number;
  /** How many had no answer by the end, or broke. */
  readonly failed: number;
  /**
   * From opening the connection to the whole answer. A request without an answer counts with the time it has waited.
   */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export type LoadMessage =
  | { readonly type: 'load'; readonly load: Load }
  | { readonly type: 'fresh'; readonly load: FreshLoad };

export type LoadReport =
  | { readonly type: 'load'; readonly result: LoadResult }
  | { readonly type: 'fresh'; readonly result: FreshResult };

/** It sorts as its number does, so that a scan from it finds as many entries as it asks for. */
export function keyName(valueBytes: number, index: number): string {
  return `v${valueBytes}-${String(index).padStart(7, '0')}`;
}

export function putRequest(key: string, value: Buffer): Request {
  const line = `PUT /v0/entity?id=${key} HTTP/1.1\r\n`;
  return { head: `${line}Host: 127.0.0.1\r\nContent-Length: ${value.length}\r\n\r\n`, body: value };
}

export function getRequest(key: string): Request {
  return { head: `GET /v0/entity?id=${key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, body: null };
}

/** The answer ends with the connection, so the client need not look for chunks. */
export function scanRequest(start: string, end: string): Request {
  const line = `GET /v0/entities?start=${start}&end=${end} HTTP/1.0\r\n`;
  return { head: `${line}Host: 127.0.0.1\r\nAccept: application/x-msgpack\r\n\r\n`, body: null };
}
