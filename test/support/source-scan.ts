/**
 * A small lexer for TypeScript: just enough to look at code without its comments, and at imports without guessing.
 * Comments become spaces, every string and template becomes `"n"`, where n is its number in `strings`, and regular
 * expressions become `/r/`. Line breaks stay where they were. Pure.
 */
export interface SourceImport {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type`, which do not exist when the file runs. */
  readonly typeOnly: boolean;
}

export interface ScannedSource {
  readonly path: string;
  readonly text: string;
  /** The code as described above. */
  readonly code: string;
  readonly imports: readonly SourceImport[];
  readonly lines: number;
  /** The block comment the file starts with, or ''. */
  readonly header: string;
}

/** What may come before a division; after anything else a slash starts a regular expression. */
const ENDS_OPERAND = /(?:[\w$\])}"]|\+\+|--)$/;
const KEYWORD_BEFORE_REGEX =
  /(?:^|[^.\w$])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/;

export function scanSource(path: string, text: string): ScannedSource {
  const scanner = new Scanner(text);
  scanner.run();
  const { code, strings } = scanner;
  return {
    path,
    text,
    code,
    imports: findImports(code, strings),
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    header: /^(?:#!.*\n)?\s*\/\*[\s\S]*?\*\//.exec(text)?.[0] ?? '',
  };
}

/** 1 for the first line. */
export function lineAt(code: string, offset: number): number {
  let line = 1;
  for (let at = code.indexOf('\n'); at >= 0 && at < offset; at = code.indexOf('\n', at + 1)) line++;
  return line;
}

class Scanner {
  readonly strings: string[] = [];
  code = '';
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): void {
    this.#code(false);
  }

  /** Scans code up to the end, or up to the brace that closes a template's `${`. */
  #code(inTemplate: boolean): void {
    const text = this.#text;
    let depth = 0;
    while (this.#at < text.length) {
      const char = text[this.#at];
      const pair = text.slice(this.#at, this.#at + 2);
      if (pair === '//') this.#blankTo(this.#find('\n', this.#at));
      else if (pair === '/*') this.#blankTo(this.#find('*/', this.#at + 2) + 2);
      else if (char === "'" || char === '"') this.#string(char);
      else if (char === '`') this.#template();
      else if (char === '/' && this.#startsRegex()) this.#regex();
      else {
        if (char === '{') depth++;
        if (char === '}' && depth-- === 0 && inTemplate) return;
        this.code += char;
        this.#at++;
      }
    }
  }

  #string(quote: string): void {
    const start = ++this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote && this.#text[this.#at] !== '\n') {
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    }
    this.#emitString(this.#text.slice(start, this.#at));
    this.#at++;
  }

  /** The literal parts become one string; the code between them follows it in parentheses. */
  #template(): void {
    let literal = '';
    let start = ++this.#at;
    const inner: string[] = [];
    while (this.#at < this.#text.length && this.#text[this.#at] !== '`') {
      if (this.#text.startsWith('${', this.#at)) {
        literal += this.#text.slice(start, this.#at);
        const outer = this.code;
        this.code = '';
        this.#at += 2;
        this.#code(true);
        inner.push(this.code);
        this.code = outer;
        start = ++this.#at;
      } else {
        this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
      }
    }
    literal += this.#text.slice(start, this.#at);
    this.#at++;
    this.#emitString(literal);
    if (inner.length > 0) this.code += `+(${inner.join(')+(')})`;
    this.code += '\n'.repeat(literal.split('\n').length - 1);
  }

  #startsRegex(): boolean {
    const before = this.code.trimEnd();
    return (
      before === '' || !ENDS_OPERAND.test(before.slice(-2)) || KEYWORD_BEFORE_REGEX.test(before.slice(-12))
    );
  }

  #regex(): void {
    let inClass = false;
    this.#at++;
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at];
      if (char === '\\') this.#at++;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      else if ((char === '/' && !inClass) || char === '\n') break;
    }
    this.#at++;
    this.code += '/r/';
  }

  #emitString(content: string): void {
    this.code += `"${this.strings.push(content) - 1}"`;
  }

  #blankTo(end: number): void {
    this.code += ` ${'\n'.repeat(this.#text.slice(this.#at, end).split('\n').length - 1)}`;
    this.#at = end;
  }

  #find(what: string, from: number): number {
    const found = this.#text.indexOf(what, from);
    return found < 0 ? this.#text.length : found;
  }
}

function findImports(code: string, strings: readonly string[]): SourceImport[] {
  const found: SourceImport[] = [];
  const patterns = [
    /(?<![.\w$])(?:import|export)\s+(type\s+(?!from\b))?[\w$\s{},*]*?\bfrom\s*"(\d+)"/g,
    /(?<![.\w$])import\s*()"(\d+)"/g,
    /(?<![.\w$])import\s*\(()\s*"(\d+)"\s*[,)]/g,
  ];
  for (const pattern of patterns) {
    for (const match of code.matchAll(pattern)) {
      const typeOnly = match[1] !== undefined && match[1] !== '';
      found.push({ specifier: strings[Number(match[2])], line: lineAt(code, match.index), typeOnly });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}
