/**
 * Joins a compiled module with all that it imports into one file. Node takes the better part of a millisecond to find,
 * read and link a module, and a thread of the engine needs about a hundred, which is most of the time in which it starts.
 *
 * Each module becomes a function that is called at once and returns what it exports, so that no name has to be changed.
 * What the compiler writes has one form of import and of export each, and nothing imports in a circle.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { JOINED_FILES } from './packages.ts';

const IMPORT = /^import (?:(\w+)(?:, | ))?(?:\{([^}]*)\} |\* as (\w+) )?from '([^']+)';$/gm;
const PASSED_ON = /^export \{([^}]*)\} from '([^']+)';$/gm;
const EXPORTED = /^export ((?:async )?function\*?|class|const) (\w+)/gm;
const LISTED = /^export \{([^}]*)\};$/gm;
const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm;
/** What is none of these may not be left. */
const LEFT = /^(?:import|export)\b.*$/m;

/**
 * Has the engine's threads load one file for their role.
 * @param engine the folder with the compiled engine
 */
export function joinThreads(engine: string): void {
  const threads = path.join(engine, 'threads');
  const worker = path.join(threads, 'worker.js');
  // They stay files of their own: an error that one file throws must be of the class that another one knows.
  const shared = loadedWith(worker);
  let code = readFileSync(worker, 'utf8');
  for (const file of JOINED_FILES) {
    const target = path.join(engine, file);
    const entry = target.replace('.joined.js', '.js');
    writeFileSync(target, joined(entry, shared));
    const apart = `import('${relative(worker, entry)}')`;
    if (!code.includes(apart)) throw new Error(`${worker} does not load ${entry}`);
    code = code.replace(apart, `import('${relative(worker, target)}')`);
  }
  writeFileSync(worker, code);
}

/** The compiled modules that are loaded before a module runs, itself the last. */
function loadedWith(entry: string): Set<string> {
  const files = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    const code = readFileSync(file, 'utf8');
    for (const [, , , , specifier] of code.matchAll(IMPORT))
      if (isOwn(specifier)) visit(resolved(file, specifier));
    for (const [, , specifier] of code.matchAll(PASSED_ON))
      if (isOwn(specifier)) visit(resolved(file, specifier));
    files.add(file);
  };
  visit(entry);
  return files;
}

/**
 * @param entry the module whose exports the file has; it lies in the same folder
 * @param shared modules that stay files of their own, as the thread has them already: a class must not be there twice
 */
function joined(entry: string, shared: ReadonlySet<string>): string {
  const modules = [...loadedWith(entry)].filter((file) => !shared.has(file));
  const numbers = new Map(modules.map((file, number) => [file, number]));
  /** What is imported from files that are not joined, by the specifier from the joined file. */
  const others: string[] = [];
  const nameOf = (file: string, specifier: string): string => {
    const target = isRelative(specifier) ? resolved(file, specifier) : specifier;
    const number = numbers.get(target);
    if (number !== undefined) return `module${number}`;
    const fromEntry = isRelative(specifier) ? relative(entry, target) : specifier;
    const known = others.indexOf(fromEntry);
    return `other${known === -1 ? others.push(fromEntry) - 1 : known}`;
  };
  const bodies = modules.map((file, number) => {
    const exports = new Map<string, string>();
    const code = readFileSync(file, 'utf8')
      .replace(SOURCE_MAP, '')
      .replace(IMPORT, (_, usual, names, whole, specifier) => {
        const name = nameOf(file, specifier);
        const lines: string[] = [];
        if (usual !== undefined) lines.push(`const ${usual} = ${name}.default;`);
        if (whole !== undefined) lines.push(`const ${whole} = ${name};`);
        if (names !== undefined) lines.push(`const {${asProperties(names)} } = ${name};`);
        return lines.join(' ');
      })
      .replace(PASSED_ON, (_, names, specifier) => {
        const name = nameOf(file, specifier);
        for (const [local, exported] of pairs(names)) exports.set(exported, `${name}.${local}`);
        return '';
      })
      .replace(EXPORTED, (_, kind, name) => {
        exports.set(name, name);
        return `${kind} ${name}`;
      })
      .replace(LISTED, (_, names) => {
        for (const [local, exported] of pairs(names)) exports.set(exported, local);
        return '';
      });
    const left = LEFT.exec(code);
    if (left !== null) throw new Error(`${file} cannot be joined with others: ${left[0]}`);
    const returned = [...exports].map(([exported, local]) => `${exported}: ${local}`).join(', ');
    return `const module${number} = (() => {\n${code}\nreturn { ${returned} };\n})();\n`;
  });
  const imports = others.map((specifier, number) => `import * as other${number} from '${specifier}';\n`);
  const names = [...readFileSync(entry, 'utf8').matchAll(EXPORTED)].map(([, , name]) => name);
  const exports = `export const { ${names.join(', ')} } = module${modules.length - 1};\n`;
  return [...imports, ...bodies, exports].join('');
}

function pairs(names: string): [local: string, exported: string][] {
  return names
    .split(',')
    .map((name) => name.trim().split(' as '))
    .filter(([local]) => local !== '')
    .map(([local, exported = local]) => [local, exported]);
}

function asProperties(names: string): string {
  return pairs(names)
    .map(([imported, local]) => (imported === local ? ` ${local}` : ` ${imported}: ${local}`))
    .join(',');
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

/** Whether it is a module of the package and no library's that it carries. */
function isOwn(specifier: string): boolean {
  return isRelative(specifier) && !specifier.includes('/vendor/');
}

function resolved(file: string, specifier: string): string {
  return path.join(path.dirname(file), specifier);
}

function relative(from: string, to: string): string {
  const specifier = path.relative(path.dirname(from), to).split(path.sep).join('/');
  return isRelative(specifier) ? specifier : `./${specifier}`;
}
