/**
 * The language in which a conclusion names its figures and their direction, `put.parallel.rate > 1.2 * put.sequential.rate`,
 * so that the build can hold the sentence to what was measured. Pure.
 *
 *   claim      = expression ("<" | ">" | "<=" | ">=") expression
 *              | expression "~" expression "within" number "%"
 *   expression = factor (("*" | "/") factor)*
 *   factor     = number | name of a figure
 */

/** Figures by name, `put.parallel.rate`. */
export type Figures = ReadonlyMap<string, number>;

type Factor = { readonly number: number } | { readonly name: string };

export interface Expression {
  readonly text: string;
  readonly first: Factor;
  readonly rest: readonly { readonly operator: '*' | '/'; readonly factor: Factor }[];
}

export interface Claim {
  readonly left: Expression;
  readonly operator: '<' | '>' | '<=' | '>=' | '~';
  readonly right: Expression;
  /** With `~`: how far the two may be from each other, as a share of the larger. */
  readonly withinShare: number;
}

export type Verdict =
  | { readonly holds: boolean; readonly left: number; readonly right: number }
  /** The figures that were not measured. */
  | { readonly missing: readonly string[] };

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([a-z][\w-]*(?:\.[\w-]+)*)|(<=|>=|[<>~*/%]))/iy;

interface Token {
  readonly kind: 'number' | 'name' | 'symbol';
  readonly text: string;
}

/** @throws Error with a sentence for a text that is no claim */
export function parseClaim(text: string): Claim {
  const parser = new Parser(text);
  const left = parser.expression();
  const operator = parser.symbol('<', '>', '<=', '>=', '~') as Claim['operator'];
  const right = parser.expression();
  let withinShare = 0;
  if (operator === '~') {
    parser.word('within');
    withinShare = parser.number() / 100;
    parser.symbol('%');
  }
  parser.end();
  return { left, operator, right, withinShare };
}

/** @throws Error with a sentence for a text that is no expression */
export function parseExpression(text: string): Expression {
  const parser = new Parser(text);
  const expression = parser.expression();
  parser.end();
  return expression;
}

/** @returns NaN where a figure of it was not measured */
export function evaluate({ first, rest }: Expression, figures: Figures): number {
  let value = factorOf(first, figures);
  for (const { factor, operator } of rest) {
    const other = factorOf(factor, figures);
    value = operator === '*' ? value * other : value / other;
  }
  return value;
}

export function namesIn({ first, rest }: Expression): string[] {
  return [first, ...rest.map(({ factor }) => factor)].flatMap((factor) =>
    'name' in factor ? [factor.name] : [],
  );
}

export function judge({ left, operator, right, withinShare }: Claim, figures: Figures): Verdict {
  const missing = [...namesIn(left), ...namesIn(right)].filter((name) => !figures.has(name));
  if (missing.length > 0) return { missing };
  const a = evaluate(left, figures);
  const b = evaluate(right, figures);
  return { holds: compare(a, operator, b, withinShare), left: a, right: b };
}

function compare(a: number, operator: Claim['operator'], b: number, withinShare: number): boolean {
  switch (operator) {
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    case '~':
      return Math.abs(a - b) <= withinShare * Math.max(Math.abs(a), Math.abs(b));
  }
}

function factorOf(factor: Factor, figures: Figures): number {
  return 'number' in factor ? factor.number : (figures.get(factor.name) ?? Number.NaN);
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  expression(): Expression {
    const from = this.#at;
    const first = this.#factor();
    const rest: { operator: '*' | '/'; factor: Factor }[] = [];
    for (let next = this.#tokens[this.#at]; next?.text === '*' || next?.text === '/'; ) {
      this.#at++;
      rest.push({ operator: next.text as '*' | '/', factor: this.#factor() });
      next = this.#tokens[this.#at];
    }
    const text = this.#tokens.slice(from, this.#at).map((token) => token.text);
    return { text: text.join(' '), first, rest };
  }

  symbol(...wanted: readonly string[]): string {
    return this.#take('symbol', wanted, wanted.join(' or ')).text;
  }

  word(wanted: string): void {
    this.#take('name', [wanted], wanted);
  }

  number(): number {
    return Number(this.#take('number', undefined, 'a number').text);
  }

  end(): void {
    if (this.#at < this.#tokens.length) this.#fail('nothing more');
  }

  #factor(): Factor {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.kind === 'symbol') return this.#fail('a figure or a number');
    this.#at++;
    return token.kind === 'number' ? { number: Number(token.text) } : { name: token.text };
  }

  #take(kind: Token['kind'], texts: readonly string[] | undefined, wanted: string): Token {
    const token = this.#tokens[this.#at];
    if (token?.kind !== kind || (texts !== undefined && !texts.includes(token.text)))
      return this.#fail(wanted);
    this.#at++;
    return token;
  }

  #fail(wanted: string): never {
    const found = this.#tokens[this.#at]?.text ?? 'the end';
    throw new Error(`expected ${wanted} instead of ${found} in "${this.#text.trim()}"`);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end; ) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`"${text.slice(at).trim()}" is no part of a claim`);
    const [, number, name, symbol] = match;
    if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else tokens.push({ kind: 'symbol', text: symbol });
  }
  return tokens;
}
