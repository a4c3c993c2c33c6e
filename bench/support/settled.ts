import { until } from '../../test/support/until.ts';

/** What a node's status says of the work that its engine has left to do. */
interface EngineWork {
  readonly engine: { readonly compactionDebtBytes?: number; readonly memtables: number };
}

/** Resolves when no node has a flush or a compaction to do. */
export function untilSettled(
  statuses: () => Promise<readonly EngineWork[]>,
  timeoutMs: number,
): Promise<void> {
  return until(
    async () =>
      (await statuses()).every(
        ({ engine }) => (engine.compactionDebtBytes ?? 0) === 0 && engine.memtables === 1,
      ),
    timeoutMs,
    () => 'flushes and compactions do not end',
  );
}
