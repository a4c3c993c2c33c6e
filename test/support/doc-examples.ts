/**
 * The programs in a document, to be run: the `js` blocks of one chapter are one program, whose imports are at its
 * start. What stands behind `//=>` is what it prints, line by line.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

export interface DocExample {
  readonly chapter: string;
  readonly code: string;
  readonly prints: readonly string[];
}

const HEADING = /^## (.*)$/;
const FENCE = /^```(\w*)$/;
const PRINTS = /\/\/=> (.*)$/;

/** The documents of the engine that have programs. */
const DOCUMENTS = ['README.md', 'MANUAL.md', 'MIGRATION.md'];
const ENGINE = new URL('../../native-free-lsm/', import.meta.url);

/** By document. */
export function engineExamples(): ReadonlyMap<string, readonly DocExample[]> {
  return new Map(DOCUMENTS.map((name) => [name, examplesIn(readFileSync(new URL(name, ENGINE), 'utf8'))]));
}

export function examplesIn(markdown: string): DocExample[] {
  const programs = new Map<string, string[]>();
  let chapter = '';
  /** Of the block that is read; null: it is text. */
  let language: string | null = null;
  for (const line of markdown.split('\n')) {
    const fence = FENCE.exec(line);
    if (fence !== null) language = language === null ? fence[1] : null;
    else if (language === null) chapter = HEADING.exec(line)?.[1] ?? chapter;
    else if (language === 'js') programs.set(chapter, [...(programs.get(chapter) ?? []), line]);
  }
  return Array.from(programs, ([name, lines]) => ({
    chapter: name,
    code: lines.join('\n'),
    prints: lines.flatMap((line) => PRINTS.exec(line)?.[1] ?? []),
  }));
}

/**
 * Runs it in a folder of its own, which is the working directory meanwhile.
 * @param packages what the names of packages stand for: URLs of modules
 * @returns what it prints
 */
export async function runExample(
  { code }: DocExample,
  packages: Readonly<Record<string, string>>,
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'example-'));
  const before = process.cwd();
  const { log } = console;
  const printed: string[] = [];
  try {
    const file = join(folder, 'example.mjs');
    await writeFile(
      file,
      code.replace(/(?<= from ')[^'.][^']*(?=';)/g, (name) => packages[name] ?? name),
    );
    process.chdir(folder);
    console.log = (...values: unknown[]) => void printed.push(...format(...values).split('\n'));
    await import(pathToFileURL(file).href);
  } finally {
    console.log = log;
    process.chdir(before);
    await rm(folder, { recursive: true });
  }
  return printed;
}
