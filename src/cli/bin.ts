#!/usr/bin/env node
/**
 * What the published package runs as `quorate`. Any Node since 14.8 can load this file, to say which one is needed: it
 * has no newer syntax and imports nothing before it has looked.
 */
const NEEDED_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR) {
  const { start } = await import('./start.ts');
  await start();
} else {
  console.error(
    `quorate: it needs Node ${NEEDED_MAJOR} or newer, and this is Node ${process.versions.node}: ` +
      'install a newer one from https://nodejs.org and run this again',
  );
  process.exitCode = 1;
}

export {};
