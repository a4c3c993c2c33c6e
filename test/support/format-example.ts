/** The worked examples in the documents of formats. Tests compare the code with them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const ENGINE = new URL('../../native-free-lsm/FORMAT.md', import.meta.url);

/**
 * The bytes of a fenced example: lines with an offset, bytes in groups and, after three spaces, their meaning.
 * @param document the engine's FORMAT.md if left out
 */
export function formatExample(name: string, document: URL = ENGINE): Buffer {
  const fence = new RegExp(`^\`\`\`${name}\\n(.*?)^\`\`\`$`, 'ms').exec(readFileSync(document, 'utf8'));
  assert.ok(fence, `${document.pathname} has no ${name}`);
  const parts: Buffer[] = [];
  let offset = 0;
  for (const line of fence[1].trimEnd().split('\n')) {
    const fields = /^([0-9a-f]{4})((?: {1,2}[0-9a-f]{2})+)(?: {3,}.*)?$/.exec(line);
    assert.ok(fields, `not a line of an example: ${line}`);
    assert.equal(Number.parseInt(fields[1], 16), offset, line);
    const bytes = Buffer.from(fields[2].replaceAll(' ', ''), 'hex');
    parts.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat(parts);
}

/** The names of all fenced examples, in their order. */
export function exampleNames(document: URL = ENGINE): string[] {
  return Array.from(readFileSync(document, 'utf8').matchAll(/^```([\w-]+-example)$/gm), ([, name]) => name);
}
