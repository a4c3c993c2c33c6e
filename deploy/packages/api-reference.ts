/** `API.md` of the engine: what its package exports, with what the sources say of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installedFolder } from '../../src/cli/page-files.ts';
import { type ExportedName, referenceOf, type Topic } from './api-markdown.ts';
import { type Declaration, declarationsIn, ownExportsIn, reexportsIn } from './declarations.ts';
import { FOLDERS } from './packages.ts';

export const REFERENCE_FILE = path.join(FOLDERS['native-free-lsm'], 'API.md');

const INTRODUCTION = [
  '# API reference',
  'Everything that the package exports, made from what its sources say (`npm run api`). [README.md](README.md) tells the calls in short, options and limits; [MANUAL.md](MANUAL.md) shows how one does what. Sizes are in bytes and times in milliseconds unless a name says otherwise. Every error is an [`LsmError`](#lsmerror) with a `code`.',
].join('\n\n');

/** Which part of the reference a file's exports are in: the first that one of the names begins. */
const TOPICS = [
  {
    title: 'The engine',
    files: [
      'index.d.ts',
      'engine.d.ts',
      'engine-reader.d.ts',
      'options.d.ts',
      'range-scan.d.ts',
      'readable-engine.d.ts',
      'write-requests.d.ts',
      'errors.d.ts',
      'iterator/key-range.d.ts',
      'store/stats.d.ts',
      'store/conditions.d.ts',
      'store/environment.d.ts',
      'store/reader-options.d.ts',
      'clock.d.ts',
    ],
  },
  { title: 'Behind abstract-level: `native-free-lsm/level`', files: ['level/'] },
  { title: 'Folders that no engine has open', files: ['offline/'] },
  {
    title: 'The store underneath: versions of the caller, no promises',
    files: ['store/', 'call-table.d.ts', 'iterator/', 'format/record.d.ts', 'format/timestamp.d.ts'],
  },
  {
    title: 'Slots, by which replicas are compared',
    files: ['slots/', 'format/slot.d.ts', 'format/fingerprint.d.ts'],
  },
  { title: 'Threads, files and what else an engine stands on', files: [''] },
];
const ENTRIES = ['index.d.ts', 'level/index.d.ts'];

interface ApiReference {
  readonly markdown: string;
  /** Names, and methods as `Class.method`, of which the sources say nothing. */
  readonly undocumented: readonly string[];
}

export function makeApiReference(): ApiReference {
  const folder = mkdtempSync(path.join(tmpdir(), 'declarations-'));
  try {
    compile(folder);
    const topics = new Package(folder).topics();
    return {
      markdown: `${INTRODUCTION}\n\n${referenceOf(topics)}\n`,
      undocumented: topics.flatMap(({ names }) => names.flatMap(undocumentedIn)),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compile(outDir: string): void {
  const compiler = path.join(installedFolder('typescript', []), 'bin', 'tsc');
  const project = path.join(import.meta.dirname, 'native-free-lsm.tsconfig.json');
  const flags = [
    '--emitDeclarationOnly',
    '--sourceMap',
    'false',
    '--inlineSources',
    'false',
    '--outDir',
    outDir,
  ];
  const { status, stdout } = spawnSync(process.execPath, [compiler, '--project', project, ...flags]);
  if (status !== 0) throw new Error(`native-free-lsm does not compile: ${stdout}`);
}

class Package {
  readonly #folder: string;
  readonly #declared = new Map<string, readonly Declaration[]>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  topics(): Topic[] {
    const exported = ENTRIES.flatMap((entry) => this.#exportsOf(entry));
    const names = new Set(exported.map(({ name }) => name));
    const byTopic = new Map(TOPICS.map(({ title }) => [title, [] as ExportedName[]]));
    for (const { name, file, declaredName } of exported) {
      const declarations = this.#declarations(file)
        .filter((declaration) => declaration.name === declaredName)
        .map((declaration) => this.#complete(declaration, file, names));
      const topic = TOPICS.find(({ files }) => files.some((prefix) => file.startsWith(prefix)));
      byTopic.get(topic?.title ?? '')?.push({ name, declarations });
    }
    return TOPICS.map(({ title }) => ({ title, names: byTopic.get(title) ?? [] }));
  }

  #text(file: string): string {
    return readFileSync(path.join(this.#folder, file), 'utf8');
  }

  #declarations(file: string): readonly Declaration[] {
    const known = this.#declared.get(file);
    if (known !== undefined) return known;
    const found = declarationsIn(this.#text(file));
    this.#declared.set(file, found);
    return found;
  }

  #exportsOf(file: string): { name: string; file: string; declaredName: string }[] {
    const text = this.#text(file);
    const own = [...new Set(ownExportsIn(text))].map((name) => ({ name, file, declaredName: name }));
    const others = reexportsIn(text).flatMap(({ name, as, file: from }) => {
      const target = beside(file, from);
      if (name === '*') return this.#exportsOf(target);
      const found = this.#exportsOf(target).find((exported) => exported.name === name);
      if (found === undefined) throw new Error(`${file} exports ${name}, which ${target} does not`);
      return [{ ...found, name: as }];
    });
    return [...own, ...others];
  }

  /** With the members of what it extends, as far as that is not exported itself. */
  #complete(declaration: Declaration, file: string, exported: ReadonlySet<string>): Declaration {
    const text = this.#text(file);
    let { members } = declaration;
    let { head } = declaration;
    const called = /^const \w+: typeof (\w+)\.(\w+)$/.exec(head);
    if (called !== null) {
      const found = this.#find(called[1], file, text);
      const member = found?.declaration.members.find(({ signature }) =>
        signature.startsWith(`static ${called[2]}(`),
      );
      if (member !== undefined) head = member.signature.replace('static ', 'function ');
    }
    for (const base of declaration.bases) {
      if (exported.has(base)) continue;
      const found = this.#find(base, file, text);
      if (found === undefined) continue;
      const whole = this.#complete(found.declaration, found.file, exported);
      const own = new Set(members.map(({ signature }) => nameOf(signature)));
      members = [
        ...members,
        ...whole.members.filter(
          ({ signature }) => !own.has(nameOf(signature)) && !/^constructor\b/.test(signature),
        ),
      ];
    }
    // What an interface of the package says of a member is not said again.
    for (const name of declaration.implemented) {
      const said = new Set(
        this.#find(name, file, text)?.declaration.members.map(({ signature }) => nameOf(signature)),
      );
      members = members.filter(({ signature }) => !said.has(nameOf(signature)));
    }
    const isLevel = file.startsWith('level/');
    return {
      ...declaration,
      head,
      members: members.filter(({ signature }) => !(isLevel && signature.startsWith('_'))),
    };
  }

  /** What a name means in a file. */
  #find(name: string, file: string, text: string): { declaration: Declaration; file: string } | undefined {
    const here = this.#declarations(file).find((declaration) => declaration.name === name);
    if (here !== undefined) return { declaration: here, file };
    for (const [, names, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']+)';/gm)) {
      if (!new RegExp(`\\b${name}\\b`).test(names)) continue;
      const target = beside(file, from);
      const there = this.#declarations(target).find((declaration) => declaration.name === name);
      if (there !== undefined) return { declaration: there, file: target };
    }
    return undefined;
  }
}

/** The declarations that a file means by `./a.ts`. */
function beside(file: string, specifier: string): string {
  return path.posix.join(path.posix.dirname(file), specifier.replace(/\.ts$/, '.d.ts'));
}

function nameOf(signature: string): string {
  return /^(?:(?:static|readonly|get|set) )*(\[[^\]]+\]|\w+)/.exec(signature)?.[1] ?? signature;
}

/** Names and methods without a word; a field may speak for itself. */
function undocumentedIn({ name, declarations }: ExportedName): string[] {
  const isSilent = declarations.every(({ doc }) => doc === '');
  const methods = declarations.flatMap(({ kind, members }) =>
    members
      .filter(
        ({ doc, signature }) =>
          doc === '' &&
          kind === 'class' &&
          /^(?:static )?\w+\(/.test(signature) &&
          !signature.startsWith('constructor('),
      )
      .map(({ signature }) => `${name}.${nameOf(signature)}`),
  );
  return [...(isSilent ? [name] : []), ...methods];
}
