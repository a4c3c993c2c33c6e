/**
 * Which Node the engine is for. Every entry imports this first, so that an older one ends with a sentence. To come so far,
 * no module may import by name what older ones do not have, as all of `node:zlib` that the engine uses: the import would
 * fail before any code is run, with a SyntaxError that names a function of Node.
 */
import zlib from 'node:zlib';

// What they have is looked for, not their versions: Bun and Deno take the version of a Node, too.
if (typeof zlib.zstdDecompressSync !== 'function' || typeof Atomics.waitAsync !== 'function') {
  const { bun, deno, node } = process.versions;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
  const error = new Error(
    `native-free-lsm needs Node 22.15, 23.8 or newer, and this is ${runtime}: install a newer one`,
  );
  throw Object.assign(error, { code: 'UNSUPPORTED_RUNTIME' });
}
