import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import {
  type CallHook,
  MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { Manifest } from '../../../../native-free-lsm/version/manifest.ts';
import type { ManifestState } from '../../../../native-free-lsm/version/manifest-reader.ts';
import { Version, type VersionEdit } from '../../../../native-free-lsm/version/version.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { table } from './version-support.ts';

const DIRECTORY = '/db';
const EMPTY: ManifestState = {
  version: Version.empty(),
  oldestGeneration: 1,
  nextFileId: 1,
  begunGeneration: 0,
};
const SURVIVALS = ['lost', 'kept', 'torn', 'torn', 'torn', 'torn'] as const;

/** Enough keys that an edit is more than one sector. */
const EDITS: readonly VersionEdit[] = Array.from({ length: 8 }, (_, i) => ({
  added: [table(i + 1, i % 2, `${i}`, `${i}`.repeat(i % 3 === 0 ? 900 : 10))],
  removed: i > 4 ? [i - 3] : [],
  nextFileId: i + 2,
}));

/** What a manifest with the first so many edits says. */
const STATES = [Version.empty(), ...EDITS].map((_, count) => {
  return EDITS.slice(0, count).reduce((version, edit) => version.apply(edit), Version.empty()).levels;
});

interface Run {
  readonly fs: MemoryFileSystem;
  /** Edits acknowledged; -1: not even the first manifest. */
  readonly acknowledged: number;
}

/** Two lives of an engine: the first ends without closing, the second recovers and goes on. */
async function run(crashAt: number, hook: CallHook): Promise<Run> {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  const first = fs.callCount;
  fs.onCall = (call) => {
    if (call.index - first === crashAt) throw new SimulatedCrash();
    return hook(call);
  };
  let acknowledged = -1;
  try {
    for (const upTo of [4, EDITS.length]) {
      const manifest = Manifest.create(fs, DIRECTORY, Manifest.recover(fs, DIRECTORY) ?? EMPTY);
      acknowledged = Math.max(acknowledged, 0);
      while (acknowledged < upTo) {
        await manifest.append(EDITS[acknowledged]);
        acknowledged++;
      }
      if (upTo === EDITS.length) await manifest.close();
    }
  } catch (error) {
    if (!((error as Error).cause instanceof SimulatedCrash) && !(error instanceof SimulatedCrash))
      throw error;
  }
  return { fs, acknowledged };
}

async function checkEveryCrash(hook: CallHook = () => undefined): Promise<void> {
  const whole = await run(-1, hook);
  assert.equal(whole.acknowledged, EDITS.length);
  for (let crashAt = 0; crashAt <= whole.fs.callCount; crashAt++) {
    const { fs, acknowledged } = await run(crashAt, hook);
    for (const [i, survival] of SURVIVALS.entries()) {
      const left = fs.crash({ bytes: survival, names: survival, random: seededRandom(crashAt * 10 + i) });
      const state = Manifest.recover(left, DIRECTORY);
      if (state === undefined) {
        assert.equal(acknowledged, -1, 'the manifest is gone');
        continue;
      }
      const found = STATES.findIndex((levels) => isDeepStrictEqual(levels, state.version.levels));
      assert.ok(found >= Math.max(acknowledged, 0), `${acknowledged} acknowledged, ${found} back`);
      assert.ok(found <= acknowledged + 1, 'an edit that was never written is back');
    }
  }
}

test('a crash at any call leaves every acknowledged edit, at most the one under way, and no other', async () => {
  await checkEveryCrash();
});

test('planted faults are noticed: a sync of the file or of the directory that does nothing', async () => {
  for (const skipped of ['fdatasync', 'syncDirectory']) {
    const hook: CallHook = ({ operation }) => (operation === skipped ? 'skip' : undefined);
    await assert.rejects(checkEveryCrash(hook), /is gone|acknowledged|is damaged/);
  }
});
