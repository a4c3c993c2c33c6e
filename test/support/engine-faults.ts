/**
 * Faults that are planted to prove that the checks can fail. Each removes, or puts into the wrong order, a step on
 * which a promise of the engine depends.
 */
import type { CallHook, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';

type Plant = (fs: MemoryFileSystem) => CallHook;

/** What the crash check must find, by name. */
export const CRASH_FAULTS: Readonly<Record<string, Plant>> = {
  'a data sync that does nothing': () => (call) => (call.operation === 'fdatasync' ? 'skip' : undefined),
  'a sync of the directory that does nothing': () => (call) =>
    call.operation === 'syncDirectory' ? 'skip' : undefined,
  'acknowledging what is not in the log': () => (call) =>
    call.operation === 'write' && call.path.endsWith('.log') ? 'skip' : undefined,
  'no sync of the directory after a rename': () => {
    let renamed = false;
    return ({ operation }) => {
      if (operation === 'rename') renamed = true;
      if (operation !== 'syncDirectory' || !renamed) return undefined;
      renamed = false;
      return 'skip';
    };
  },
  'a manifest edit that is appended before its tables are synced': (fs) => {
    const unsynced: string[] = [];
    let appended = false;
    return inactiveWithin(({ operation, path }) => {
      if (appended) {
        for (const table of unsynced.splice(0)) syncFile(fs, table);
        appended = false;
      }
      if (operation === 'fdatasync' && path.endsWith('.sst.tmp')) {
        unsynced.push(path.slice(0, -'.tmp'.length));
        return 'skip';
      }
      appended = operation === 'fdatasync' && path.includes('/MANIFEST-');
      return undefined;
    });
  },
  'a log that is removed before the manifest edit is durable': (fs) =>
    inactiveWithin(({ operation, path }) => {
      if (operation !== 'write' || !path.includes('/MANIFEST-')) return undefined;
      const logs = fs.listSync('/db').filter((name) => name.endsWith('.log'));
      if (logs.length > 1) fs.removeSync(`/db/${logs.sort()[0]}`);
      return undefined;
    }),
  'a recovery that leaves the logs it read unsynced': () => {
    const found = new Set<string>();
    return ({ operation, path }) => {
      if (operation === 'openWrite' && path.endsWith('.log')) found.add(path);
      return operation === 'fdatasync' && found.has(path) ? 'skip' : undefined;
    };
  },
};

interface FailureFault {
  readonly fault: CallHook;
  /** The calls that must fail before it does harm. */
  readonly calls: RegExp;
}

/** What the check of failing calls must find. */
export const FAILURE_FAULTS: Readonly<Record<string, FailureFault>> = {
  'no cut of the log after a failed write': {
    fault: ({ operation, path }) => (operation === 'truncate' && path.endsWith('.log') ? 'skip' : undefined),
    calls: /^write .*\.log$/,
  },
  'no cut of the manifest after a failed write': {
    fault: ({ operation, path }) =>
      operation === 'truncate' && path.includes('/MANIFEST-') ? 'skip' : undefined,
    calls: /^write .*\/MANIFEST-/,
  },
};

/** The hook ignores calls that it makes itself. */
function inactiveWithin(hook: CallHook): CallHook {
  let inside = false;
  return (call) => {
    if (inside) return undefined;
    inside = true;
    try {
      return hook(call);
    } finally {
      inside = false;
    }
  };
}

function syncFile(fs: MemoryFileSystem, path: string): void {
  if (!fs.existsSync(path)) return;
  const fd = fs.openReadSync(path);
  fs.fdatasyncSync(fd);
  fs.closeSync(fd);
}
