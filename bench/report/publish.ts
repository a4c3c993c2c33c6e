/** Writes what a report consists of: the results first, then the text, the plots and the page that are built from them. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { figuresOfResults } from './figures.ts';
import { fence, list } from './markdown.ts';
import { NOT_MEASURED } from './numbers.ts';
import { pageOf } from './page.ts';
import { type Plot, plotsOf } from './plots.ts';
import { type Results, readResults, resultOf } from './results.ts';
import type { DiffResult, ProfileResult } from './steps/profile-result.ts';
import { tableOf } from './tables.ts';
import { fillTemplate } from './template.ts';
import type { WorkFolder } from './work-folder.ts';

const TITLE = 'Quorate, measured by itself';
const MIB = 2 ** 20;
const MAX_FOLDER_BYTES = 20 * MIB;
const RESULTS_FILE = 'results.json';
const PROFILES = 'profiles';
const PLOTS = 'plots';
/** Pages are opened as they are; what tools read is packed from this size on. */
const GZIP_FROM_BYTES = 64 * 1024;
/** Where the project lies is the business of this machine: in what is published it lies in `/quorate`. */
const PROJECT_FOLDER = fileURLToPath(new URL('../..', import.meta.url));
const PUBLISHED_FOLDER = '/quorate/';

/** Puts the results, and the files that they name, into the folder of the report. */
export function publishResults(results: Results, work: WorkFolder, out: string): void {
  mkdirSync(out, { recursive: true });
  rmSync(join(out, PROFILES), { recursive: true, force: true });
  for (const { step } of results.records) {
    for (const file of resultOf<Partial<ProfileResult>>(results, step)?.files ?? []) {
      const source = join(work.filesOf(step), file);
      const target = join(out, PROFILES, step, file);
      mkdirSync(join(target, '..'), { recursive: true });
      const text = readFileSync(source, 'utf8').replaceAll(PROJECT_FOLDER, PUBLISHED_FOLDER);
      if (isPacked(file, source)) writeFileSync(`${target}.gz`, gzipSync(text, { level: 9 }));
      else writeFileSync(target, text);
    }
  }
  writeFileSync(join(out, RESULTS_FILE), `${JSON.stringify(results)}\n`);
}

export interface BuildOptions {
  /** The hand-written text. */
  readonly template: string;
  /** The folder of the report, with its results in it. */
  readonly out: string;
  /** A file for the text that may not be published as it is. */
  readonly draft: string;
}

/**
 * Builds the report from the results that its folder holds.
 * @returns why it was not built: conclusions that disagree with the figures, or a folder that is too large
 */
export function buildReport({ draft, out, template }: BuildOptions): readonly string[] {
  const results = readResults(join(out, RESULTS_FILE));
  const figures = figuresOfResults(results);
  const plots = plotsOf(results, figures);
  const { faults, text } = fillTemplate(template, {
    figures,
    isJudged: results.scale.isJudged,
    block: (kind, name) => blockOf(kind, name, results, figures, plots),
  });
  const markdown = `${noteOn(results)}${text}`;
  if (faults.length > 0) {
    writeFileSync(draft, markdown);
    return [...faults.map((fault) => `the text, ${fault}`), `the report as it would be: ${draft}`];
  }
  rmSync(join(out, PLOTS), { recursive: true, force: true });
  mkdirSync(join(out, PLOTS));
  for (const plot of plots) writeFileSync(join(out, plotPath(plot)), plot.svg);
  writeFileSync(join(out, 'report.md'), markdown);
  writeFileSync(join(out, 'report.html'), pageOf(markdown, TITLE, plots, plotPath));
  const bytes = folderBytes(out);
  if (bytes <= MAX_FOLDER_BYTES) return [];
  return [`${out} holds ${(bytes / MIB).toFixed(1)} MiB, and ${MAX_FOLDER_BYTES / MIB} are the most`];
}

export function folderBytes(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(directory, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}

function plotPath({ name }: Plot): string {
  return `${PLOTS}/${name}.svg`;
}

function isPacked(file: string, source: string): boolean {
  return !file.endsWith('.html') && statSync(source).size >= GZIP_FROM_BYTES;
}

function noteOn({ scale }: Results): string {
  if (scale.isJudged) return '';
  return `> **These figures mean nothing.** They are those of a ${scale.name} run, which only tries whether everything works: ${scale.size} a node, runs of ${scale.runSeconds} s. No conclusion was held to them.\n\n`;
}

/** @throws Error with a sentence for what there is not */
function blockOf(
  kind: string,
  name: string,
  results: Results,
  figures: ReadonlyMap<string, number>,
  plots: readonly Plot[],
): string {
  switch (kind) {
    case 'table':
      return tableOf(name, results, figures);
    case 'plot': {
      const plot = plots.find((known) => known.name === name);
      if (plot === undefined) throw new Error(`there is no plot ${name}`);
      return `![${plot.title}](${plotPath(plot)})`;
    }
    case 'commands':
      return commandsOf(results, name);
    case 'output':
      return outputOf(results, name);
    case 'profiles':
      return profileLinks(results, name);
    default:
      throw new Error(`there is no ${kind}: ${name}`);
  }
}

/** @param names of steps, with commas between */
function commandsOf(results: Results, names: string): string {
  const commands = names.split(',').flatMap((name) => {
    const record = results.records.find(({ step }) => step === name.trim());
    return record?.commands ?? [];
  });
  return commands.length === 0 ? NOT_MEASURED : fence([...new Set(commands)]);
}

/** What the command of a step has printed. */
function outputOf(results: Results, step: string): string {
  const text = resultOf<Partial<DiffResult>>(results, step)?.text;
  return text === undefined ? NOT_MEASURED : fence(text.trimEnd().split('\n'), 'text');
}

/**
 * The pages, and the folder with everything else.
 * @param prefix of the steps' names
 */
function profileLinks(results: Results, prefix: string): string {
  const items = results.records
    .filter(({ step }) => step.startsWith(prefix))
    .flatMap(({ step }) => {
      const files = resultOf<Partial<ProfileResult>>(results, step)?.files ?? [];
      if (files.length === 0) return [];
      const pages = files.filter((file) => file.endsWith('.html'));
      const links = pages.map((file) => `[${file}](${PROFILES}/${step}/${file})`);
      return [[`${step}:`, [...links, `[all files](${PROFILES}/${step}/)`].join(', ')].join(' ')];
    });
  return items.length === 0 ? NOT_MEASURED : list(items);
}
