/** The engine's API.md: it is what `npm run api` makes of the sources, and these say something of all that is exported. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { referenceOf } from '../../deploy/packages/api-markdown.ts';
import { makeApiReference, REFERENCE_FILE } from '../../deploy/packages/api-reference.ts';
import { declarationsIn, ownExportsIn, reexportsIn } from '../../deploy/packages/declarations.ts';

describe('the API reference of the engine', () => {
  const { markdown, undocumented } = makeApiReference();

  test('is what is made of the sources now', () => {
    assert.ok(markdown === readFileSync(REFERENCE_FILE, 'utf8'), 'make it anew: npm run api');
  });

  test('has a word on everything that is exported, and on every method', () => {
    assert.deepEqual(undocumented, [], 'the sources say nothing of these');
  });

  test('has the calls that an engine inherits, and those of abstract-level by their own name', () => {
    for (const line of [
      '### `open`\n\n```ts\nfunction open(directory: string,',
      '- `getMany(keys: readonly GivenBytes[], snapshot?: Snapshot)',
      '### `NativeFreeLevel`',
    ])
      assert.ok(markdown.includes(line), line);
    assert.doesNotMatch(markdown, /^- `_|#private/m);
  });

  test('links lead to a heading, and no heading comes twice', () => {
    const headings = [...markdown.matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name.toLowerCase());
    assert.deepEqual(headings, [...new Set(headings)]);
    for (const [, target] of markdown.matchAll(/\]\(#([^)]+)\)/g))
      assert.ok(headings.includes(target), target);
  });
});

const DECLARATIONS = `import type { A } from './a.ts';
/**
 * A box; a thing with "{" in it.
 *
 *   u32 length, bytes
 *
 * @param T what it holds,
 *   one or more
 */
export declare class Box<T extends { a: string; }> extends Base implements Closable {
    #private;
    /** How many. */
    readonly count: number;
    private constructor();
    /** Takes \`{\` out.
     * @returns it; undefined: none is there
     */
    take(at: { from: number; }): T | undefined;
}
declare class Base {
    [Symbol.dispose](): void;
}
export type Kind = 'a;b'
/** The second. */
 | '}';
export type Other = Base;
/** What there is. */
export declare const KINDS: {
    readonly a: 1;
};
export declare function boxOf(
kind: Kind): Box<never>;
export {};
`;

describe('reading declarations', () => {
  test('finds each with its documentation, members and what it extends', () => {
    const found = declarationsIn(DECLARATIONS);
    assert.deepEqual(
      found.map(({ kind, name, bases, implemented }) => [kind, name, bases, implemented]),
      [
        ['class', 'Box', ['Base'], ['Closable']],
        ['class', 'Base', [], []],
        ['type', 'Kind', [], []],
        ['type', 'Other', ['Base'], []],
        ['const', 'KINDS', [], []],
        ['function', 'boxOf', [], []],
      ],
    );
    assert.equal(found[0].head, 'class Box<T extends { a: string; }> extends Base implements Closable');
    assert.deepEqual(found[0].members, [
      { signature: 'readonly count: number', doc: 'How many.' },
      {
        signature: 'take(at: { from: number; }): T | undefined',
        doc: 'Takes `{` out.\n@returns it; undefined: none is there',
      },
    ]);
    assert.deepEqual(ownExportsIn(DECLARATIONS), ['Box', 'Kind', 'Other', 'KINDS', 'boxOf']);
  });

  test('finds what is exported of other files, under its new name', () => {
    const text =
      "export { A, type B as C } from './a.ts';\nexport * from './b.ts';\nexport type { D } from './d.ts';\n";
    assert.deepEqual(reexportsIn(text), [
      { name: '*', as: '*', file: './b.ts' },
      { name: 'A', as: 'A', file: './a.ts' },
      { name: 'B', as: 'C', file: './a.ts' },
      { name: 'D', as: 'D', file: './d.ts' },
    ]);
  });

  test('is written as paragraphs, code, and a line for each tag', () => {
    const [box] = declarationsIn(DECLARATIONS);
    const text = referenceOf([{ title: 'Boxes', names: [{ name: 'Box', declarations: [box] }] }]);
    assert.equal(
      text,
      [
        '- **Boxes**: [`Box`](#box)',
        '## Boxes',
        '### `Box`',
        '```ts\nclass Box<T extends { a: string; }> extends Base implements Closable\n```',
        'A box; a thing with "{" in it.',
        '```\n  u32 length, bytes\n```',
        '*`T`*: what it holds, one or more',
        '- `readonly count: number`  \n  How many.\n- `take(at: { from: number; }): T | undefined`  \n  Takes `{` out.\n\n  *Returns* it; undefined: none is there',
      ].join('\n\n'),
    );
  });
});
