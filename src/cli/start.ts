/**
 * How the program begins, in a checkout and where the published package is installed: what must be arranged before the
 * first large file is loaded, and then the command line.
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import * as modules from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { isCompiled } from '../program.ts';
import { exitCodeOfSignal } from './interrupted.ts';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function start(): Promise<void> {
  // Who stands in for this process, and was killed, takes it along: the channel between them closes.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  if (process.pid === 1) heedSignalsAsFirstProcess();
  cacheCompiledCode();
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
}

/** The kernel ends the first process of a container by no signal that it does not listen to, Ctrl-C included. */
function heedSignalsAsFirstProcess(): void {
  for (const name of ENDING_SIGNALS) {
    process.on(name, () => {
      // A command that listens itself puts its things in order first.
      if (process.listenerCount(name) === 1) process.exit(exitCodeOfSignal(name));
    });
  }
}

/**
 * Compiled code is cached beside the packages of a checkout, or in the user's own folder for such things; where others
 * can write to both, it is not cached: whoever can change the cache can have his code run.
 */
function cacheCompiledCode(): void {
  const ofUser = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'quorate');
  const ofCheckout = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'quorate');
  const candidates = isCompiled ? [ofUser] : [ofCheckout, ofUser];
  // Who names a folder in the environment has chosen it.
  const directory = process.env.NODE_COMPILE_CACHE ?? candidates.find(isOurs);
  if (directory === undefined) return;
  // Deno has a cache of its own, and not this function.
  modules.enableCompileCache?.(directory);
  // Nodes are processes of their own, with threads of their own, and threads heed the environment alone.
  process.env.NODE_COMPILE_CACHE = directory;
}

function isOurs(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
    const { mode, uid } = statSync(folder);
    // Windows has neither such a user nor such bits.
    return process.platform === 'win32' || (uid === process.geteuid?.() && (mode & 0o022) === 0);
  } catch {
    return false;
  }
}
