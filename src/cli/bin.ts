#!/usr/bin/env node
/**
 * What the published package runs as `quorate`. Any Node since 14.8 can load this file, to say which one is needed: it
 * has no newer syntax and imports nothing before it has looked.
 */
const NEEDED_MAJOR = 24;

const { bun, deno, node } = process.versions;
let runtime = `Node ${node}`;
// They take the name of a Node, too.
if (bun) runtime = `Bun ${bun}`;
if (deno) runtime = `Deno ${deno}`;

if (runtime === `Node ${node}` && Number.parseInt(node, 10) >= NEEDED_MAJOR) {
  const { start } = await import('./start.ts');
  await start();
} else {
  console.error(
    `quorate: it needs Node ${NEEDED_MAJOR} or newer, and this is ${runtime}: ` +
      'install such a Node from https://nodejs.org and run this again with npx',
  );
  process.exitCode = 1;
}

export {};
