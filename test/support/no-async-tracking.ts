/**
 * Loaded before each file of tests by `npm test`. Node's test runner follows every promise, timer and socket with an
 * async hook, only to say which test an exception belongs to that nobody has handled. That takes a quarter of the CPU
 * time of tests that make many promises. Here the runner gets a hook that does nothing, and such an exception ends the
 * whole file at once, with its stack: the file fails as before, and only the name of the test is missing. Without this
 * file (`npx node --test`) the runner says that, too.
 */
import asyncHooks from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';

const STDERR = 2;

async function loadRunnerWithoutHook(): Promise<void> {
  const { createHook } = asyncHooks;
  const inert = { enable: () => inert, disable: () => inert };
  // The runner takes the function when it is loaded; whoever comes later gets the true one.
  Object.assign(asyncHooks, { createHook: () => inert });
  await import('node:test');
  Object.assign(asyncHooks, { createHook });
}

function endFile(error: unknown): never {
  writeSync(STDERR, `nobody has handled: ${inspect(error)}\n`);
  process.exit(1);
}

// Threads inherit the flag that loads this file, and have no tests.
if (isMainThread) {
  await loadRunnerWithoutHook();
  process.on('uncaughtException', endFile);
  process.on('unhandledRejection', endFile);
}
