/** What every request of a server shares. */
import type { DoorContext } from '../admission/door.ts';
import type { TokenBucket } from '../token-bucket.ts';
import type { BodyWatch } from './body-watch.ts';
import type { HostCheck } from './host-check.ts';
import type { ReaderWatch } from './reader-watch.ts';

export interface HttpLimits {
  readonly maxValueBytes: number;
  readonly maxKeyBytes: number;
  /** Bodies that are sent more slowly are given up. */
  readonly minBodyBytesPerSecond: number;
  /** How long a client may leave an answer unread before its connection is cut. */
  readonly rangeTimeoutMs: number;
  /** A client for which an answer is held must read at least so fast. */
  readonly minReadBytesPerSecond: number;
}

export interface HttpContext extends DoorContext {
  readonly limits: HttpLimits;
  readonly bodyWatch: BodyWatch;
  /** Unread bodies that may be read only to be thrown away: early-answer.ts. */
  readonly discards: TokenBucket;
  /** Clients for which answers are held. */
  readonly readers: ReaderWatch;
  readonly hosts: HostCheck;
}
