/** The reference of what a package exports, in Markdown. Pure. */
import type { Declaration, Member } from './declarations.ts';

export interface ExportedName {
  readonly name: string;
  /** A class, or a constant and the type of its values. What they extend and is not exported itself is in them. */
  readonly declarations: readonly Declaration[];
}

export interface Topic {
  readonly title: string;
  readonly names: readonly ExportedName[];
}

export function referenceOf(topics: readonly Topic[]): string {
  const index = topics.map(
    ({ title, names }) => `- **${title}**: ${names.map(({ name }) => link(name)).join(', ')}`,
  );
  const sections = topics.flatMap(({ title, names }) => [`## ${title}`, ...names.flatMap(sectionOf)]);
  return [...[index.join('\n')], ...sections].join('\n\n');
}

function link(name: string): string {
  return `[\`${name}\`](#${name.toLowerCase()})`;
}

function sectionOf({ name, declarations }: ExportedName): string[] {
  return [`### \`${name}\``, ...declarations.flatMap(bodyOf)];
}

function bodyOf({ doc, head, members }: Declaration): string[] {
  const code = `\`\`\`ts\n${dedented(head)}\n\`\`\``;
  const parts = [code, ...(doc === '' ? [] : [prose(doc)])];
  if (members.length > 0) parts.push(members.map(bulletOf).join('\n'));
  return parts;
}

function bulletOf({ doc, signature }: Member): string {
  const line = `- \`${signature.replace(/\s+/g, ' ')}\``;
  // What stands below a bullet is indented by two.
  return doc === '' ? line : `${line}  \n${prose(doc).replace(/^(?=.)/gm, '  ')}`;
}

/** The compiler indents by four what stands in braces. */
function dedented(code: string): string {
  return code.replace(/^ +/gm, ({ length }) => ' '.repeat((length >> 2) * 2 + (length % 4)));
}

const TAG = /^@(param|returns|throws)\s+/;

/** Paragraphs in one line each, what is indented as it is, and a line for each tag. */
function prose(doc: string): string {
  const blocks: string[][] = [];
  let kind = '';
  for (const line of doc.split('\n')) {
    const own = line === '' ? 'none' : /^ {2,}\S/.test(line) && !kind.startsWith('tag') ? 'code' : 'text';
    if (TAG.test(line)) {
      blocks.push([line]);
      kind = 'tag';
    } else if (own === 'none') kind = '';
    else if (own === kind || (kind === 'tag' && own === 'text')) blocks.at(-1)?.push(line);
    else {
      blocks.push([line]);
      kind = own;
    }
  }
  return blocks.map(blockOf).join('\n\n');
}

function blockOf(lines: readonly string[]): string {
  if (/^ {2,}\S/.test(lines[0])) return `\`\`\`\n${lines.join('\n')}\n\`\`\``;
  const text = lines.map((line) => line.trim()).join(' ');
  const tag = TAG.exec(text);
  if (tag === null) return text;
  const rest = text.slice(tag[0].length);
  if (tag[1] !== 'param') return `*${tag[1] === 'returns' ? 'Returns' : 'Throws'}* ${rest}`;
  const name = /^\S+/.exec(rest)?.[0] ?? '';
  return `*\`${name}\`*: ${rest.slice(name.length).trim()}`;
}
