/**
 * `npm run formats:keep`: keeps folders of today's format under `test/formats/<data format>/`, for every later version
 * to read. Those of a format that a release has written are never made again.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { count, script } from '../support/script-flags.ts';
import { KEPT_FOLDERS, keptFormats, keptNames, writeKept } from './kept-folder.ts';
import { sampleFolders } from './sample-folders.ts';

const {
  dataFormat = (keptFormats().at(-1) ?? 0) + 1,
  only,
  replace,
} = script('formats:keep', 'Keeps folders of the present format, which the tests of all later versions read.')
  .option('--data-format <n>', 'its number in FORMAT.md; left out, the next one', count)
  .option('--only <name>', 'the folder of this name alone, which is not kept of this format yet')
  .option('--replace', 'the folders that are kept of this format, which no release has written yet', false)
  .parse()
  .opts<{ dataFormat?: number; only?: string; replace: boolean }>();

const kept = keptFormats().includes(dataFormat) ? keptNames(dataFormat) : [];
if ((only === undefined ? kept.length > 0 : kept.includes(only)) && !replace) {
  console.error(
    `error: folders of data format ${dataFormat} are kept already. If no release has written it, make them again with --replace; if one has, give the present format its own number with --data-format`,
  );
  process.exit(1);
}
mkdirSync(path.join(KEPT_FOLDERS, String(dataFormat)), { recursive: true });
for (const [name, folder] of await sampleFolders()) {
  if (only !== undefined && only !== name) continue;
  writeKept(dataFormat, name, folder);
  console.log(`kept ${name} of data format ${dataFormat}, ${Object.keys(folder.entries).length} entries`);
}
