/** Turns the JSON that a node answers to `explain=1` into the lines of text that `--explain` prints. Pure. */
import { describeSize } from '../../config/units.ts';
import { formatTable } from './status-table.ts';

const LINE_COLUMNS = 32;
const HEADINGS = ['node', 'asked', 'why', 'at', 'took', 'said', 'version', 'time line'];

type Fields = Readonly<Record<string, unknown>>;

/** @param explanation of whatever node: what is missing is left out */
export function describeExplanation(explanation: Fields): string {
  const questions = listOf(explanation.questions);
  const lines = [headline(explanation), summary(explanation)];
  if (questions.length > 0) lines.push('', formatTable([HEADINGS, ...rowsOf(questions, explanation)]));
  const unlisted = numberOf(explanation.unlisted) ?? 0;
  if (unlisted > 0) lines.push(`and ${unlisted} more`);
  const replicas = listOf(explanation.replicas).map(describeReplica);
  return [...lines, '', ...replicas].join('\n');
}

function headline({ method, status, reason, etag, valueBytes, livesMs }: Fields): string {
  const bytes = numberOf(valueBytes);
  const lives = numberOf(livesMs);
  const parts = [
    `${textOf(method)} ${textOf(status)}`,
    textOf(reason),
    bytes === null ? '' : `value of ${describeSize(bytes)}`,
    textOf(etag) === '' ? '' : `ETag ${textOf(etag)}`,
    lives === null ? '' : `lives ${(lives / 1_000).toFixed(1)} s`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function summary({ ack, from, consistency, answeredAfterMs, waitedMs, isSettled }: Fields): string {
  const waited = numberOf(waitedMs) ?? 0;
  const parts = [
    `ack ${textOf(ack)} of from ${textOf(from)}`,
    `consistency ${textOf(consistency)}`,
    `answered after ${milliseconds(answeredAfterMs)}`,
    waited > 0 ? `waited ${milliseconds(waited)} before` : '',
    isSettled === true ? '' : 'not all had answered when the time was over',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function rowsOf(questions: readonly Fields[], { answeredAfterMs }: Fields): string[][] {
  const times = questions.flatMap((question) => [question.askedAfterMs, question.answeredAfterMs]);
  const endMs = Math.max(...times.map((time) => numberOf(time) ?? 0), numberOf(answeredAfterMs) ?? 0);
  return questions.map((question) => {
    const { node, kind, cause, answer, etag, failure, reason } = question;
    const asked = numberOf(question.askedAfterMs) ?? 0;
    const answered = numberOf(question.answeredAfterMs);
    const said = [textOf(answer) || 'nothing yet', textOf(failure), textOf(reason)];
    return [
      textOf(node),
      textOf(kind),
      textOf(cause),
      milliseconds(asked),
      answered === null ? '-' : milliseconds(answered - asked),
      said.filter((part) => part !== '').join(': '),
      textOf(etag) === '' ? '-' : textOf(etag),
      timeLine(asked, answered, endMs),
    ];
  });
}

/** `=` while it is waited for, `>` where the answer came, `?` up to the end where none did. */
function timeLine(askedMs: number, answeredMs: number | null, endMs: number): string {
  const columnOf = (ms: number): number =>
    endMs === 0 ? 0 : Math.min(Math.floor((ms / endMs) * LINE_COLUMNS), LINE_COLUMNS - 1);
  const start = columnOf(askedMs);
  const before = ' '.repeat(start);
  if (answeredMs === null) return `${before}${'?'.repeat(LINE_COLUMNS - start)}`;
  return `${before}${'='.repeat(columnOf(answeredMs) - start)}>`;
}

function describeReplica({ node, state, followUps }: Fields): string {
  const deeds = Array.isArray(followUps)
    ? followUps.map((followUp) => FOLLOW_UPS.get(textOf(followUp)) ?? textOf(followUp))
    : [];
  const stands = state === null ? 'not waited for' : textOf(state);
  return `${textOf(node)}: ${[stands, ...deeds].join(', ')}`;
}

const FOLLOW_UPS: ReadonlyMap<string, string> = new Map([
  ['repair', 'gets the newest version in the background'],
  ['hint', 'gets it when it is back'],
]);

function milliseconds(ms: unknown): string {
  const number = numberOf(ms);
  return number === null ? '-' : `${number.toFixed(2)} ms`;
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : '';
}
