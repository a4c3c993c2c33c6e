/** What is told of how a request went fits its answer: who was asked, who answered, and with which version. Pure. */
import type { ExplainedQuestion, Explanation } from '../../explanation.ts';
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { describeRequest, isOlder, isRead } from './versions.ts';

const CHECK = 'explanations fit the answers';

/** @param positionOf where a machine is in a key's preference list */
export function checkExplained(
  { observations }: History,
  positionOf: (machine: string, key: string) => number,
): Violation[] {
  return observations.flatMap((one) => {
    const sentence = faultOf(one, positionOf);
    if (sentence === '') return [];
    return [{ check: CHECK, sentence: `${describeRequest(one)} ${sentence}`, requests: [one.request.id] }];
  });
}

function faultOf(one: Observation, positionOf: (machine: string, key: string) => number): string {
  const { explanation, outcome, request } = one;
  if (outcome !== Outcome.ok && outcome !== Outcome.notFound) return '';
  if (!request.isExplained) return explanation === null ? '' : 'is explained, and nobody has asked for it';
  if (explanation === null) return 'is not explained';
  const { ack, from, key } = request;
  if (explanation.ack !== ack || explanation.from !== from)
    return `is explained as one with ${explanation.ack}/${explanation.from}`;
  for (const { node, position } of explanation.questions)
    if (position >= from || positionOf(node, key) !== position)
      return `has asked ${node} as owner ${position} of ${key}`;
  if (explanation.unlisted > 0) return '';
  const said = isRead(one) ? answersToRead(explanation) : answersToWrite(explanation, one);
  const count = new Set(said.map(({ node }) => node)).size;
  if (count < ack) return `is answered by ${count} nodes`;
  if (!isRead(one) || outcome === Outcome.notFound) return '';
  // One who lacks something does not count, but what he has may be the newest.
  return explanation.questions.some((question) => isOf(question, one))
    ? ''
    : 'is of a version that nobody has told';
}

/** Those that count for a read. */
function answersToRead({ questions }: Explanation): readonly ExplainedQuestion[] {
  return questions.filter(
    ({ answer, kind }) =>
      kind === 'read' && (answer === 'value' || answer === 'deletion' || answer === 'nothing'),
  );
}

/** Those that have stored what was written, or had got something newer from a write at the same time. */
function answersToWrite({ questions }: Explanation, one: Observation): readonly ExplainedQuestion[] {
  return questions.filter(
    (question) =>
      question.kind === 'write' &&
      ((question.answer === 'stored' && isOf(question, one)) ||
        (question.answer === 'newer' && isOlder(one, question))),
  );
}

function isOf(question: ExplainedQuestion, { timestamp, writer }: Observation): boolean {
  return question.timestamp === timestamp && question.writer === writer;
}
