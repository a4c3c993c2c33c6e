import type { SlotShare } from './slot-share.ts';

/** What has been found out about one other owner in a round. */
export interface OtherOwner {
  readonly nodeId: string;
  readonly share: SlotShare;
  /** Slots in which it differs from this node. */
  readonly differing: Set<number>;
  /** Whether it has closed the slots for this round. */
  isClosed: boolean;
  /** It did not answer: the round goes on without it. */
  isLost: boolean;
}
