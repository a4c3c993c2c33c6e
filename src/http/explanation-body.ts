/** How a request went, as JSON for programs and for `node cli.ts get --explain`. README explains the fields. Pure. */
import { timestampMs } from '../../native-free-lsm/index.ts';
import type { EntityMethod } from '../admission/entity-request.ts';
import type { ExplainedQuestion, Explanation } from '../explanation.ts';
import { Consistency, type RequestOptions } from '../request-options.ts';
import { versionTag } from './entity-tag.ts';

/** What the request would have been answered. */
interface ExplainedAnswer {
  readonly method: EntityMethod;
  readonly status: number;
  /** Why it was not done; empty: it was. */
  readonly reason: string;
  /** Of the version that was read or written; 0: none. */
  readonly timestamp: number;
  readonly writer: number;
  readonly livesMs: number;
}

export function explanationBody(
  answer: ExplainedAnswer,
  options: RequestOptions,
  explanation: Explanation,
): Buffer {
  const { method, status, reason, timestamp, writer, livesMs } = answer;
  const { replicas, questions, valueBytes, ...figures } = explanation;
  const body = {
    method,
    status,
    reason,
    etag: tagOf(timestamp, writer),
    valueBytes,
    livesMs: livesMs > 0 ? round(livesMs) : null,
    consistency: options.consistency === Consistency.linearizable ? 'linearizable' : 'default',
    ...figures,
    waitedMs: round(figures.waitedMs),
    answeredAfterMs: round(figures.answeredAfterMs),
    replicas,
    questions: questions.map(questionOf),
  };
  return Buffer.from(`${JSON.stringify(body)}\n`);
}

function questionOf(question: ExplainedQuestion): Record<string, unknown> {
  const { timestamp, writer, expiryMs, askedAfterMs, answeredAfterMs, ...rest } = question;
  return {
    ...rest,
    askedAfterMs: round(askedAfterMs),
    answeredAfterMs: answeredAfterMs === null ? null : round(answeredAfterMs),
    etag: tagOf(timestamp, writer),
    writtenAt: timestamp === 0 ? null : timeOf(timestampMs(timestamp)),
    expiresAt: expiryMs === 0 ? null : timeOf(expiryMs),
  };
}

function tagOf(timestamp: number, writer: number): string | null {
  return timestamp === 0 ? null : versionTag(timestamp, writer);
}

/** An expiry may be beyond what a date can be. */
function timeOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms}` : date.toISOString();
}

/** To a thousandth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
