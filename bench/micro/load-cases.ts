import { readdirSync } from 'node:fs';
import type { MicroCase } from './micro-case.ts';

const FOLDER = new URL('./cases/', import.meta.url);

/** A case, and the file of `cases/` that it is in. To measure it, only this file is loaded. */
export interface FoundCase {
  readonly file: string;
  readonly microCase: MicroCase;
}

/**
 * All cases of all files in `cases/`, in the order of the file names.
 * @throws Error when two have the same name
 */
export async function loadCases(): Promise<FoundCase[]> {
  const found: FoundCase[] = [];
  for (const file of readdirSync(FOLDER).sort()) {
    for (const microCase of await casesOf(file)) found.push({ file, microCase });
  }
  const names = new Set<string>();
  for (const { microCase } of found) {
    if (names.has(microCase.name)) throw new Error(`two cases are named ${microCase.name}`);
    names.add(microCase.name);
  }
  return found;
}

export async function casesOf(file: string): Promise<readonly MicroCase[]> {
  const module: { readonly cases: readonly MicroCase[] } = await import(new URL(file, FOLDER).href);
  return module.cases;
}
