/**
 * Fills the hand-written text of the report. Pure. What stands between double braces is
 *
 *   {{put.parallel.rate}}       a figure with its unit
 *   {{get.a.p99Ms / get.b.p99Ms}}   a ratio of figures
 *   {{claim: CLAIM}}            what the sentence before it says, in the form of claims.ts; shows the two values
 *   {{table: NAME}}, {{plot: NAME}}, {{commands: STEPS}} and the like: what the program has made, by that name
 */
import {
  type Claim,
  type Expression,
  evaluate,
  type Figures,
  judge,
  namesIn,
  parseClaim,
  parseExpression,
} from './claims.ts';
import { describeFigure, digits, NOT_MEASURED } from './numbers.ts';

const TAG = /\{\{\s*((?:[^{}]|\n)+?)\s*\}\}/g;
const BLOCK = /^(\w+):\s*([\s\S]+)$/;

export interface TemplateInput {
  readonly figures: Figures;
  /** Text that the program has made, by kind and name, for example `table` and `rates`. */
  readonly block: (kind: string, name: string) => string;
  /** Figures of a small run mean nothing: its claims are shown and not judged. */
  readonly isJudged: boolean;
}

export interface FilledTemplate {
  readonly text: string;
  /** What keeps the report from being published, each with its line of the template. */
  readonly faults: readonly string[];
}

export function fillTemplate(template: string, input: TemplateInput): FilledTemplate {
  const faults: string[] = [];
  const text = template.replaceAll(TAG, (_, content: string, at: number) => {
    const complain = (sentence: string): void => {
      faults.push(`line ${template.slice(0, at).split('\n').length}: ${sentence}`);
    };
    try {
      return fillTag(content, input, (why) => complain(`"${sentenceBefore(template, at)}" ${why}`));
    } catch (error) {
      complain(error instanceof Error ? error.message : String(error));
      return '';
    }
  });
  return { text, faults };
}

function fillTag(content: string, input: TemplateInput, disagree: (why: string) => void): string {
  const [, kind, name] = BLOCK.exec(content) ?? [];
  if (kind === 'claim') return fillClaim(parseClaim(name), input, disagree);
  if (kind !== undefined) return input.block(kind, name.trim());
  const expression = parseExpression(content);
  const missing = namesIn(expression).filter((figure) => !input.figures.has(figure));
  if (missing.length > 0) {
    if (input.isJudged) disagree(`names ${missing.join(' and ')}, which was not measured`);
    return NOT_MEASURED;
  }
  const value = evaluate(expression, input.figures);
  return expression.rest.length === 0 ? describeFigure(content, value) : digits(value);
}

function fillClaim(
  claim: Claim,
  { figures, isJudged }: TemplateInput,
  disagree: (why: string) => void,
): string {
  const { left, operator, right, withinShare } = claim;
  const text =
    operator === '~'
      ? `\`${left.text}\` ≈ \`${right.text}\` within ${digits(withinShare * 100)} %`
      : `\`${left.text}\` ${operator} \`${right.text}\``;
  const verdict = judge(claim, figures);
  if ('missing' in verdict) {
    if (isJudged)
      disagree(
        `claims ${left.text} ${operator} ${right.text}, but ${verdict.missing.join(' and ')} was not measured`,
      );
    return `(${text}: ${NOT_MEASURED})`;
  }
  // A number is told in the unit of the figure that it is held against.
  const unitOf = figureIn(left) ?? figureIn(right) ?? '';
  const values = `${describeFigure(unitOf, verdict.left)} against ${describeFigure(unitOf, verdict.right)}`;
  if (!isJudged) return `(${text}: ${values}, not judged)`;
  if (!verdict.holds) disagree(`claims ${left.text} ${operator} ${right.text}, but measured was ${values}`);
  return `(${text}: ${values})`;
}

/** The figure whose unit an expression has: it is one, or a multiple of one. */
function figureIn(expression: Expression): string | undefined {
  const names = namesIn(expression);
  return names.length === 1 && expression.rest.every(({ operator }) => operator === '*')
    ? names[0]
    : undefined;
}

/** The sentence that a tag stands in or after, without the tags in it. */
function sentenceBefore(template: string, at: number): string {
  const paragraph = template.slice(template.lastIndexOf('\n\n', at) + 1, at);
  const plain = paragraph.replaceAll(TAG, '').replaceAll(/\s+/g, ' ').trim();
  return plain.split(/(?<=[.!?]) (?=[A-Z])/).at(-1) ?? '';
}
