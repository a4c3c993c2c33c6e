import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleByInspector } from '../../../../../src/node/profiling/inspector-sampler.ts';

interface ProfileNode {
  readonly callFrame: { readonly functionName: string };
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

function sizeIn(name: string, node: ProfileNode): number {
  const own = node.callFrame.functionName === name ? node.selfSize : 0;
  return node.children.reduce((sum, child) => sum + sizeIn(name, child), own);
}

function allocateMuch(): number {
  const kept: object[] = [];
  for (let i = 0; i < 100_000; i++) kept.push({ i });
  return kept.length;
}

test('says which function allocated how much, and can be used again', () => {
  for (let round = 0; round < 2; round++) {
    const sampler = sampleByInspector({
      sampleInterval: 4096,
      stackDepth: 64,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    assert.equal(allocateMuch(), 100_000);
    const { head } = JSON.parse(sampler.stop()) as { readonly head: ProfileNode };
    // An object of one field takes 16 bytes or more, and the sampler is off by a few percent.
    assert.ok(sizeIn('allocateMuch', head) > 1_000_000, String(sizeIn('allocateMuch', head)));
  }
});
