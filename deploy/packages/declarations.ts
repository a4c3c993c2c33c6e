/**
 * Reads the declaration files that the compiler makes: what they declare, with its documentation. They are regular
 * enough that no parser of the whole language is needed: statements end with `;` or a closing brace. Pure.
 */

export interface Member {
  /** Without documentation, modifiers of access, and the semicolon. */
  readonly signature: string;
  /** The text of the comment before it, without its marks; empty: there is none. */
  readonly doc: string;
}

export interface Declaration {
  readonly kind: 'class' | 'interface' | 'type' | 'const' | 'function';
  readonly name: string;
  readonly doc: string;
  /** Of a class or an interface its first line, `class Page implements Disposable`; of all else the whole. */
  readonly head: string;
  readonly members: readonly Member[];
  /** What it extends, or, of a type that is another name for one, that one. */
  readonly bases: readonly string[];
  /** The interfaces that a class says it has. */
  readonly implemented: readonly string[];
}

const HEAD = /^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|const|function) (\w+)/;
const ENDS_WITH_BRACE = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|module) /;

/** All that a file declares at its top, exported or not. */
export function declarationsIn(text: string): Declaration[] {
  return statements(text).flatMap(({ code, doc }): Declaration[] => {
    const found = HEAD.exec(code);
    if (found === null) return [];
    const [, kind, name] = found as unknown as [string, Declaration['kind'], string];
    const whole = code.replace(/^(?:export )?(?:declare )?/, '').replace(/;$/, '');
    const declared = { kind, name, doc, head: whole, members: [], bases: [], implemented: [] };
    const alias = /^type \w+ = (\w+)$/.exec(whole)?.[1];
    if (alias !== undefined) return [{ ...declared, bases: [alias] }];
    if (kind !== 'class' && kind !== 'interface') return [declared];
    const brace = bodyStart(whole);
    const head = whole.slice(0, brace).trim();
    const [, extended = '', implemented = ''] = /(?: extends (.*?))?(?: implements (.*))?$/.exec(head) ?? [];
    const members = membersIn(whole.slice(brace + 1, -1));
    return [{ ...declared, head, members, bases: namesIn(extended), implemented: namesIn(implemented) }];
  });
}

function namesIn(types: string): string[] {
  return [...types.matchAll(/\b[A-Z]\w*/g)].map(([name]) => name);
}

/** By name, the file that what a file exports is declared in, and the name that it has there; `*` for all of a file. */
export function reexportsIn(
  text: string,
): { readonly name: string; readonly as: string; readonly file: string }[] {
  const found: { name: string; as: string; file: string }[] = [];
  for (const [, file] of text.matchAll(/^export \* from '([^']+)';/gm))
    found.push({ name: '*', as: '*', file });
  for (const [, names, file] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)) {
    for (const entry of names.split(',').map((part) => part.trim().replace(/^type /, ''))) {
      if (entry === '') continue;
      const [name, as = name] = entry.split(' as ');
      found.push({ name, as, file });
    }
  }
  return found;
}

/** The names that a file exports of what it declares. */
export function ownExportsIn(text: string): string[] {
  return statements(text).flatMap(({ code }) =>
    code.startsWith('export ') ? (HEAD.exec(code)?.slice(2, 3) ?? []) : [],
  );
}

function membersIn(body: string): Member[] {
  return statements(body)
    .map(({ code, doc }) => ({ doc, signature: code.replace(/;$/, '').replace(/^(?:public )/, '') }))
    .filter(({ signature }) => signature !== '#private' && !/^(?:private|protected) /.test(signature));
}

interface Statement {
  readonly code: string;
  readonly doc: string;
}

function statements(text: string): Statement[] {
  const found: Statement[] = [];
  let doc = '';
  let start = -1;
  let depth = 0;
  const end = (at: number): void => {
    found.push({ code: text.slice(start, at).trim(), doc });
    start = -1;
    doc = '';
  };
  for (let at = 0; at < text.length; at++) {
    const skipped = skippedAt(text, at);
    if (skipped > at) {
      if (start < 0 && text.startsWith('/**', at)) doc = docText(text.slice(at, skipped));
      else if (start < 0 && /['"`]/.test(text[at])) start = at;
      at = skipped - 1;
      continue;
    }
    const char = text[at];
    if (start < 0) {
      if (/\s/.test(char)) continue;
      start = at;
    }
    if (/[{([]/.test(char)) depth++;
    else if (/[})\]]/.test(char)) depth--;
    if (depth > 0) continue;
    if (char === ';' || (char === '}' && isBodyWhole(text.slice(start, at + 1)))) end(at + 1);
  }
  return found;
}

/** Behind the comment or string that starts there; `at` itself: none does. */
function skippedAt(text: string, at: number): number {
  if (text.startsWith('/*', at)) return text.indexOf('*/', at) + 2;
  if (text.startsWith('//', at)) return text.indexOf('\n', at);
  const quote = text[at];
  return /['"`]/.test(quote) ? text.indexOf(quote, at + 1) + 1 : at;
}

/** Whether the brace that ends the code is that of a body, and not of a type in the head. */
function isBodyWhole(code: string): boolean {
  return ENDS_WITH_BRACE.test(code) && bodyStart(code) < code.length;
}

function bodyStart(code: string): number {
  let depth = 0;
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '<' || code[at] === '(') depth++;
    else if (code[at] === '>' || code[at] === ')') depth--;
    else if (code[at] === '{' && depth === 0) return at;
  }
  return code.length;
}

/** What a documentation comment says, without its stars, its lines as they are. */
function docText(comment: string): string {
  return comment
    .slice('/**'.length, -'*/'.length)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replace(/^\s*\n|\s+$/g, '')
    .replace(/^ /, '');
}
