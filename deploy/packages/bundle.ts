/**
 * Joins the compiled modules of a package into few files. Node takes the better part of a millisecond, and 50 KiB, to
 * find, read and link a module, and each thread of the engine does so for itself.
 */
import { globSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import {
  type OutputChunk,
  type OutputOptions,
  type Plugin,
  type RollupBuild,
  rollup,
} from '@rollup/wasm-node';

/**
 * To load a file takes memory of up to three times its size for a moment. Once the C library has given back a larger
 * piece than it ever had, it keeps as much and twice as much as that of everything freed later, in each thread; it has
 * had pieces of 256 KiB by the time that Node has started.
 */
const MAX_FILE_BYTES = 80 * 1024;

/**
 * Leaves in a folder `dist`, of all modules in it, the entries, and files with what these share and what they load later.
 * Each has the name of the last of its modules, which uses the others. Modules keep their address.
 * @param dist what the compiler has made; declarations stay as they are
 * @param entries paths in `dist` without `.js`, of modules that are loaded by their address
 * @throws Error when a module cannot be found, or the bundler warns
 */
export async function bundle(dist: string, entries: readonly string[]): Promise<void> {
  const compiled = globSync('**/*.{js,js.map}', { cwd: dist });
  const joined = await rollup({
    input: Object.fromEntries(entries.map((entry) => [entry, path.join(dist, `${entry}.js`)])),
    external: isOthers,
    plugins: [withMaps, withAddresses(dist)],
    onwarn({ code, message }) {
      // Of what the compiler writes for `using`, which looks for a global of that name.
      if (code !== 'THIS_IS_UNDEFINED') throw new Error(message);
    },
  });
  for (const file of compiled) rmSync(path.join(dist, file));
  const output: OutputOptions = {
    dir: dist,
    chunkFileNames: ({ moduleIds }) => relative(dist, moduleIds[moduleIds.length - 1]),
    importAttributesKey: 'with',
    sourcemap: true,
  };
  const parts = await partsOf(joined, output);
  await joined.write({ ...output, manualChunks: (id) => parts.get(id), onlyExplicitManualChunks: true });
  await joined.close();
}

/** The modules of files that would be too large, each with the part of the file that it is to go into. */
async function partsOf(joined: RollupBuild, output: OutputOptions): Promise<Map<string, string>> {
  const parts = new Map<string, string>();
  const { output: files } = await joined.generate(output);
  for (const file of files) {
    if (file.type !== 'chunk' || file.isEntry || file.code.length <= MAX_FILE_BYTES) continue;
    for (const [part, modules] of partsOfFile(file).entries())
      for (const id of modules) parts.set(id, `${file.fileName}-${part}`);
  }
  return parts;
}

/** In the order in which modules run, so that none needs a later part. */
function partsOfFile({ modules, moduleIds }: OutputChunk): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const id of moduleIds) {
    const { renderedLength } = modules[id];
    if (bytes + renderedLength > MAX_FILE_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts[parts.length - 1].push(id);
    bytes += renderedLength;
  }
  return parts;
}

/** What is no module of the package: Node's, libraries, and what the package carries of them. */
function isOthers(specifier: string): boolean {
  const isOwn = specifier.startsWith('.') || path.isAbsolute(specifier);
  return !isOwn || /[\\/]vendor[\\/]/.test(specifier) || specifier.endsWith('.json');
}

/** Reads the compiler's source maps, so that those of the files that are written lead to the sources. */
const withMaps: Plugin = {
  name: 'with-maps',
  load: (file) => ({ code: inAscii(readFileSync(file, 'utf8')), map: readFileSync(`${file}.map`, 'utf8') }),
};

/** Of a file with a single other character V8 holds the whole text with two bytes for each. They stand in texts alone. */
function inAscii(code: string): string {
  return code.replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Modules go on having the address that they had, by which they find others: that of a thread's code, for example. */
function withAddresses(dist: string): Plugin {
  return {
    name: 'with-addresses',
    resolveImportMeta(property, { chunkId, moduleId }) {
      const from = path.dirname(path.join(dist, chunkId));
      const to = relative(from, moduleId);
      if (property === 'url') return `new URL('${to}', import.meta.url).href`;
      if (property === 'dirname') return `import.meta.dirname + '/${path.posix.dirname(to)}'`;
      throw new Error(`${moduleId} asks for import.meta.${property}, which the bundle does not know`);
    },
  };
}

function relative(from: string, to: string): string {
  return path.relative(from, to).split(path.sep).join('/');
}
