/** Starts node processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeMessage, SupervisorMessage } from './node-protocol.ts';

export interface NodeChild {
  /** 0 when the process could not be started. */
  readonly pid: number;
  /** A message to a process that is gone is lost without an error: `onEnd` reports the end anyway. */
  send(message: SupervisorMessage): void;
  kill(): void;
}

export interface ChildListener {
  onMessage(message: NodeMessage): void;
  /**
   * Called once, as the last call.
   * @param how `exit code 1`, `SIGKILL`, or why the process could not be started
   */
  onEnd(how: string): void;
}

/** How a process ends that has no failure to report. */
export const CLEAN_END = 'exit code 0';

export type SpawnNode = (nodeId: string, listener: ChildListener) => NodeChild;

/** It lies beside this file and has the same ending: .ts here, .js where it was compiled. */
const ENTRY = fileURLToPath(new URL(`./node-process${extname(import.meta.url)}`, import.meta.url));

/**
 * V8 would let the young generation grow to three times 32 MiB. The garbage of a node dies soon, so most of that would
 * only be resident memory. With 8 MiB a write takes 4 % less CPU than with 4, and with 16 no less than with 8. Node's
 * warnings go through the node's log: node-host.ts.
 */
export const NODE_FLAGS = ['--max-semi-space-size=8', '--no-warnings'];

/**
 * For glibc. Without these it keeps a heap for each of a dozen threads, though memory that one thread frees is of no
 * use to another; and it raises the size from which memory goes back to the system to that of the largest piece ever
 * freed.
 */
export const NODE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/**
 * Returns the error instead of throwing it: some causes (too little memory, no descriptor for the channel) are thrown,
 * others come as an event.
 */
function startProcess(entry: string, nodeId: string): ChildProcess | Error {
  try {
    return spawn(process.execPath, [...NODE_FLAGS, entry, nodeId], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...NODE_ENVIRONMENT, ...process.env },
      // In a session of its own the process does not receive the terminal's Ctrl-C: the supervisor counts these.
      detached: true,
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function notStarted(error: Error): string {
  return `the process does not start: ${error.message}`;
}

/** @param entry the file that a node process runs */
export function nodeSpawner(entry = ENTRY): SpawnNode {
  return (nodeId, listener) => {
    const child = startProcess(entry, nodeId);
    if (child instanceof Error) {
      // Report it like a process that ends at once, so that a caller who started others before it ends those too.
      queueMicrotask(() => listener.onEnd(notStarted(child)));
      return { pid: 0, send: () => undefined, kill: () => undefined };
    }
    let ended = false;
    const end = (how: string): void => {
      if (!ended) {
        ended = true;
        listener.onEnd(how);
      }
    };
    child.on('message', (message) => listener.onMessage(message as NodeMessage));
    child.on('error', (error) => {
      if (child.pid === undefined) {
        end(notStarted(error));
      }
    });
    // Not on 'exit': the node's last message may still be in the channel then.
    child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
    return {
      pid: child.pid ?? 0,
      send(message) {
        if (child.connected) {
          child.send(message, () => undefined);
        }
      },
      kill() {
        child.kill('SIGKILL');
      },
    };
  };
}
