/** `npm run api`: makes the engine's API.md from what the sources say. */
import { writeFileSync } from 'node:fs';
import { makeApiReference, REFERENCE_FILE } from './api-reference.ts';

const { markdown, undocumented } = makeApiReference();
writeFileSync(REFERENCE_FILE, markdown);
if (undocumented.length > 0) {
  console.error(`the sources say nothing of ${undocumented.join(', ')}`);
  process.exitCode = 1;
}
