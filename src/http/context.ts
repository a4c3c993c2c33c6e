/** What every request of a server shares. */

import type { Admission, AdmissionLimits } from '../admission/admission.ts';
import type { Lines } from '../admission/lines.ts';
import type { ScanSlots } from '../admission/scan-slots.ts';
import type { TokenBucket } from '../admission/token-bucket.ts';
import type { Clock } from '../clock.ts';
import type { EntityService, RangeService, StatusService } from '../services.ts';
import type { BodyWatch } from './body-watch.ts';
import type { HostCheck } from './host-check.ts';
import type { ReaderWatch } from './reader-watch.ts';

export interface HttpServices {
  readonly entities: EntityService;
  readonly ranges: RangeService;
  readonly status: StatusService;
}

export interface HttpLog {
  debug(message: string): void;
  error(message: string): void;
}

export interface HttpLimits extends AdmissionLimits {
  readonly maxValueBytes: number;
  readonly maxKeyBytes: number;
  /** Bodies that are sent more slowly are given up. */
  readonly minBodyBytesPerSecond: number;
  /** How long a client may leave an answer unread before its connection is cut. */
  readonly rangeTimeoutMs: number;
  /** What a client that is waited for must read at least. */
  readonly minReadBytesPerSecond: number;
  /** From the arrival of a request for an entity to its answer, less what the client takes to send a large body. */
  readonly answerTimeoutMs: number;
}

export interface HttpContext {
  readonly services: HttpServices;
  readonly limits: HttpLimits;
  readonly admission: Admission;
  readonly bodyWatch: BodyWatch;
  readonly lines: Lines;
  /** Unread bodies that may be read only to be thrown away: early-answer.ts. */
  readonly discards: TokenBucket;
  readonly scans: ScanSlots;
  /** Those that answers are held for. */
  readonly readers: ReaderWatch;
  readonly hosts: HostCheck;
  readonly clock: Clock;
  readonly log: HttpLog;
}
