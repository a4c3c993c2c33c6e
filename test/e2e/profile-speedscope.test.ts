/** The files of `profile`, as speedscope opens them. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import { speedscopeWaits } from '../../src/cli/profile/view/speedscope.ts';
import { openPage } from '../support/browser.ts';
import { threadFiles } from '../support/profile-by-hand.ts';
import { until } from '../support/until.ts';

const OPEN_TIMEOUT_MS = 60_000;

test('speedscope opens samples of CPU and of allocations, and waits', { timeout: 240_000 }, async () => {
  const cpu = v8.startCpuProfile({ sampleInterval: 1, maxBufferSize: 10_000 });
  const heap = v8.startHeapProfile({ sampleInterval: 1024, stackDepth: 16 });
  const texts = Array.from({ length: 200_000 }, (_, i) => `text ${i}`);
  assert.equal(texts.length, 200_000);
  const waits = { path: ['disk', 'fdatasync'], isIdle: false, count: 1, totalMs: 20, buckets: [1] };
  const files = {
    'writer.cpuprofile': cpu.stop(),
    'writer.heapprofile': heap.stop(),
    'node-1.speedscope.json': JSON.stringify(
      speedscopeWaits({ name: 'node-1', threads: [threadFiles('writer', { waits: [waits] })] }),
    ),
  };
  const app = createRequire(import.meta.url).resolve('speedscope/dist/release/index.html');
  // With a path of a profile it can be handed files by a program; there is none behind this one.
  await using page = await openPage(`${pathToFileURL(app).href}#localProfilePath=none.js`);
  const text = async (): Promise<string> =>
    String(await page.evaluate("[document.title, document.body.innerText].join('\\n')"));
  for (const [name, content] of Object.entries(files)) {
    const opened = name.endsWith('.json')
      ? /^Waits of node-1 - speedscope\n[\s\S]*node-1 writer/
      : new RegExp(`^${name} - speedscope\\n`);
    const data = Buffer.from(content).toString('base64');
    await page.evaluate(`speedscope.loadFileFromBase64(${JSON.stringify(name)}, ${JSON.stringify(data)})`);
    let shown = '';
    await until(
      async () => {
        shown = await text();
        return opened.test(shown);
      },
      OPEN_TIMEOUT_MS,
      () => `${name} is not opened: ${shown}`,
    );
  }
});
