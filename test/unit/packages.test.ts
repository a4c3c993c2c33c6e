/** What users install, as far as it can be told without a build: `npm run package:check` tries the rest. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { FOLDERS, PACKAGE_NAMES, type PackageName, PROJECT } from '../../deploy/packages/packages.ts';
import { asPublished, vendoredBy } from '../../deploy/packages/vendored.ts';
import { expectedFiles, modulesOf } from '../packages/contents.ts';
import { scanSource } from '../support/source-scan.ts';

interface Manifest {
  readonly version: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

const read = (folder: string, file: string): unknown =>
  JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
const manifestOf = (name: PackageName): Manifest => read(FOLDERS[name], 'package.json') as Manifest;
const { packages: locked } = read(PROJECT, 'package-lock.json') as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

/** The place in the lock file of what a package at a place gets by a name. */
function placeOf(name: string, from: string): string {
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    const place = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (locked[place] !== undefined) return place;
    assert.notEqual(at, '', `${name}, which ${from} needs, is not in package-lock.json`);
  }
}

/** All that npm installs for who installs the package, by place. */
function installedWith(name: PackageName): string[] {
  const places = new Set<string>();
  const visit = (dependencies: Readonly<Record<string, string>> = {}, from: string): void => {
    for (const dependency of Object.keys(dependencies)) {
      const place = placeOf(dependency, from);
      if (places.has(place)) continue;
      places.add(place);
      const found = locked[place];
      visit({ ...found.dependencies, ...found.optionalDependencies }, place);
    }
  };
  const manifest = manifestOf(name);
  visit({ ...manifest.dependencies, ...manifest.optionalDependencies }, '');
  return [...places];
}

for (const name of PACKAGE_NAMES) {
  describe(`the package ${name}`, () => {
    const manifest = manifestOf(name);

    test('installs nothing native, no Node, nothing for one kind of machine, and runs no script', () => {
      for (const place of installedWith(name)) {
        const { cpu, hasInstallScript, optionalDependencies, os } = locked[place];
        assert.deepEqual(
          { cpu, hasInstallScript, optionalDependencies, os },
          {
            cpu: undefined,
            hasInstallScript: undefined,
            optionalDependencies: undefined,
            os: undefined,
          },
        );
        assert.doesNotMatch(place, /(?:^|\/)node(?:-[^/]*)?$/);
      }
      for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
        assert.equal(manifest.scripts[script], undefined, script);
      }
    });

    test('imports only what Node has, what it depends on, and what it carries', () => {
      const own = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
      const carried = new Set(vendoredBy(name).map((library) => library.name));
      const used = new Set<string>();
      for (const module of modulesOf(name)) {
        const source = `${module}.ts`;
        const text = readFileSync(path.join(FOLDERS[name], source), 'utf8');
        for (const { specifier, typeOnly } of scanSource(source, text).imports) {
          if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
          const library = specifier.split('/')[0];
          used.add(library);
          if (own.has(library)) continue;
          assert.ok(carried.has(library), `${source} imports ${specifier}`);
          const code = `import { a } from '${specifier}';`;
          if (!typeOnly) assert.notEqual(asPublished(code, 'a.js'), code, `${source} imports ${specifier}`);
        }
      }
      assert.deepEqual([...own.difference(used)], [], 'these are installed for nobody');
    });

    test('has in it what its exports and its program name', () => {
      const files = new Set(expectedFiles(name));
      const targets = Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
      );
      for (const target of [...targets, ...Object.values(manifest.bin ?? {}).map((file) => `./${file}`)]) {
        assert.ok(files.has(target.slice('./'.length)), target);
      }
    });
  });
}

test('the package of the engine depends on nothing, and what it can be used with is the choice of its user', () => {
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } =
    manifestOf('native-free-lsm');
  assert.deepEqual([dependencies, optionalDependencies], [undefined, undefined]);
  for (const name of Object.keys(peerDependencies ?? {})) {
    assert.equal(peerDependenciesMeta?.[name]?.optional, true, name);
  }
});

test('both packages are of one version, and carry libraries of one version', () => {
  const [engine, program] = PACKAGE_NAMES.map(manifestOf);
  assert.equal(engine.version, program.version);
  for (const { name } of vendoredBy('native-free-lsm')) {
    assert.equal(engine.devDependencies[name], program.devDependencies[name], name);
  }
});

test('the program can be loaded by a Node that is too old for it, to say so', () => {
  const text = readFileSync(path.join(PROJECT, 'src/cli/bin.ts'), 'utf8');
  assert.match(text, /^#!\/usr\/bin\/env node\n/);
  assert.doesNotMatch(text, /^import /m);
  assert.doesNotMatch(text, /\?\.|\?\?|\busing\b|#[a-z]/);
});

test('what is carried is there, with its licence', () => {
  for (const library of vendoredBy('quorate')) {
    const folder = path.join(PROJECT, 'node_modules', library.name);
    assert.ok(existsSync(path.join(folder, 'LICENSE')), library.name);
    for (const file of library.files)
      assert.ok(globSync(file, { cwd: folder }).length > 0, `${library.name} ${file}`);
  }
});

describe('a compiled file', () => {
  const cases: readonly [string, string, string, string][] = [
    [
      'beside the vendored',
      'a.js',
      "import { pack } from 'msgpackr/pack';",
      "import { pack } from './vendor/msgpackr/pack.js';",
    ],
    [
      'in a folder',
      'src/rpc/a.js',
      'import { Unpackr } from "msgpackr/unpack";',
      'import { Unpackr } from "../../vendor/msgpackr/unpack.js";',
    ],
    [
      'on demand',
      'threads/a.js',
      "await import('piscina')",
      "await import('../vendor/piscina/dist/esm-wrapper.mjs')",
    ],
    [
      'declarations',
      'a.d.ts',
      "export type A = import('./b/c.ts').A;",
      "export type A = import('./b/c.js').A;",
    ],
    ['what is not carried', 'a.js', "import pino from 'pino';", "import pino from 'pino';"],
    ['a library of another name', 'a.js', "from 'piscina-locks'", "from 'piscina-locks'"],
  ];
  for (const [name, file, code, published] of cases) {
    test(`imports what its package carries from there: ${name}`, () => {
      assert.equal(asPublished(code, file), published);
    });
  }
});
