/**
 * Rules that keep documents true to the sources, each a function to what breaks it, as `path:line: sentence`. Pure.
 */
import { lineAt } from './source-scan.ts';
import type { Sources } from './structure-rules.ts';

export interface Document {
  /** From the project's root. */
  readonly path: string;
  readonly text: string;
}

/** A request's way through the files in its order: a heading, and under it a numbered list. */
export interface RequestPath {
  readonly name: string;
  readonly line: number;
  readonly steps: readonly PathStep[];
}

interface PathStep {
  readonly line: number;
  /** From the project's root. */
  readonly file: string;
  /** The function of the file through which the request comes in. */
  readonly entry: string;
}

/** More files of the document's own folder would be more than a reader can follow. */
export const MAX_FILES_OF_A_PATH = 14;

const FENCE = /^```[\s\S]*?^```$/gm;
const QUOTED = /`([^`\n]+)`/g;
const SCRIPT = /\bnpm run ([\w:-]+)/g;
const SOURCE_NAME = /^(?:[\w.@-]+\/)*[\w@-][\w.@-]*\.(?:ts|md)$/;
const FOLDER_NAME = /^(?:[\w.@-]+\/)+$/;
const LINK = /\]\(([^)#\s]+)(?:#[^)\s]*)?\)/g;
/** Folders that a node makes in its data folder. */
const DATA_FOLDERS: ReadonlySet<string> = new Set(['engine/', 'lost/']);
const STEP = /^\d+\. `([\w./-]+\.ts)` `(#?\w+)`/;
const HEADING = /^#+ (.+)$/;

/**
 * Every file and folder that a document names between backticks exists, and every link of it leads to one.
 * @param files paths from the project's root
 */
export function namedFilesExist(document: Document, files: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const file of files) {
    for (let at = file.indexOf('/'); at !== -1; at = file.indexOf('/', at + 1))
      folders.add(file.slice(0, at + 1));
  }
  const isIn = (paths: Iterable<string>, name: string): boolean =>
    Iterator.from(paths).some((path) => path === name || path.endsWith(`/${name}`));
  const broken: string[] = [];
  const complain = (index: number, name: string): void => {
    broken.push(`${document.path}:${lineAt(text, index)}: names ${name}, which does not exist`);
  };
  const text = withoutFences(document.text);
  for (const match of text.matchAll(QUOTED)) {
    for (const word of match[1].split(/[\s"'(),]+/)) {
      const name = word.replace(/^(?:\.{1,2}\/)+/, '').replace(/:\d+$/, '');
      if (SOURCE_NAME.test(name) && !isIn(files, name)) complain(match.index, name);
      if (FOLDER_NAME.test(name) && !DATA_FOLDERS.has(name) && !isIn(folders, name))
        complain(match.index, name);
    }
  }
  for (const match of text.matchAll(LINK)) {
    if (/^[a-z]+:/.test(match[1])) continue;
    const target = new URL(match[1], `file:///${document.path}`).pathname.slice(1);
    if (!files.includes(target) && !folders.has(target)) complain(match.index, match[1]);
  }
  return broken;
}

/**
 * Every script that a document says to run is there.
 * @param scripts of package.json
 */
export function namedScriptsExist({ path, text }: Document, scripts: readonly string[]): string[] {
  return [...text.matchAll(SCRIPT)]
    .filter(([, name]) => !scripts.includes(name))
    .map(({ 1: name, index }) => `${path}:${lineAt(text, index)}: there is no script ${name}`);
}

/** The lists of a document in which every item begins with a file and a function of it. */
export function requestPathsIn(document: Document): RequestPath[] {
  const folder = folderOf(document);
  const paths: { name: string; line: number; steps: PathStep[] }[] = [];
  let heading = { name: '', line: 0 };
  let isOpen = false;
  for (const [index, content] of withoutFences(document.text).split('\n').entries()) {
    const line = index + 1;
    const step = STEP.exec(content);
    const title = HEADING.exec(content);
    if (title !== null) heading = { name: title[1], line };
    if (title !== null || step?.[0].startsWith('1. ')) isOpen = false;
    if (step === null) continue;
    if (!isOpen) paths.push({ ...heading, steps: [] });
    isOpen = true;
    const file = new URL(step[1], `file:///${folder}`).pathname.slice(1);
    paths.at(-1)?.steps.push({ line, file, entry: step[2] });
  }
  return paths;
}

/**
 * Each step's file exists and has its function, which a file of an earlier step calls; and the files are few. A call
 * through an interface counts: it is found by the function's name.
 */
export function requestPathsHold(document: Document, sources: Sources): string[] {
  const broken: string[] = [];
  for (const { name, line, steps } of requestPathsIn(document)) {
    const count = filesOf(steps, folderOf(document));
    if (count > MAX_FILES_OF_A_PATH) {
      broken.push(`${document.path}:${line}: ${name} goes through ${count} files`);
    }
    const before: string[] = [];
    for (const step of steps) {
      const code = sources.get(step.file)?.code;
      const place = `${document.path}:${step.line}: ${step.file}`;
      if (code === undefined) broken.push(`${place} does not exist`);
      else if (!declares(code, step.entry)) broken.push(`${place} has no function ${step.entry}`);
      else if (before.length > 0 && !before.some((caller) => calls(caller, step.entry))) {
        broken.push(`${place}: no file before it in the list calls ${step.entry}`);
      }
      before.push(code ?? '');
    }
  }
  return broken;
}

/** How many files below a folder the steps have. */
export function filesOf(steps: readonly PathStep[], folder: string): number {
  return new Set(steps.map(({ file }) => file).filter((file) => file.startsWith(folder))).size;
}

function folderOf({ path }: Document): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function declares(code: string, name: string): boolean {
  return new RegExp(
    `^(?:  (?:(?:readonly|static|async|private|protected|override) )*|export (?:async )?function |function )${name}\\b`,
    'm',
  ).test(code);
}

function calls(code: string, name: string): boolean {
  return new RegExp(`(?:[.?]|new |[\\s(,!])${name}(?:<[^>]*>)?\\(`).test(withoutDeclarations(code, name));
}

/** A method that is declared at two spaces looks like a call. */
function withoutDeclarations(code: string, name: string): string {
  return code.replace(
    new RegExp(
      `^(?:  (?:(?:static|async|private|protected|override) )*|export (?:async )?function |function )${name}\\(`,
      'gm',
    ),
    '',
  );
}

/** With as many lines as before, so that lines can be counted. */
function withoutFences(text: string): string {
  return text.replace(FENCE, (fence) => '\n'.repeat(fence.split('\n').length - 1));
}
