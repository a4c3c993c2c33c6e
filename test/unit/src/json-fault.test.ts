/** What is said of a text that is not JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonFault } from '../../../src/json-fault.ts';

function faultOf(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return jsonFault(text, error);
  }
  throw new Error(`it is JSON: ${text}`);
}

test('one line says what is wrong and where', () => {
  for (const [text, what, place] of [
    ['{\n  "a": 1,\n  "b": c\n}\n', "Unexpected token 'c'", 'line 3, column 8'],
    ['{\n  "a":\n}', "Unexpected token '}'", 'line 3, column 1'],
    ['{\n  "a": 1,\n  b: 2\n}', 'Expected double-quoted property name', 'line 3, column 3'],
    ['{\n"a": "x\ny"}', 'Bad control character in string literal', 'line 2, column 8'],
    ['{\n"a": tru}', "Unexpected token '}'", 'line 2, column 9'],
    ['x', "Unexpected token 'x'", 'line 1, column 1'],
    ['{\n', "Expected property name or '}'", 'line 2, column 1'],
    ['', 'Unexpected end of JSON input', 'line 1, column 1'],
    ['["a"]\n\n"b"', 'Unexpected non-whitespace character after JSON', 'line 3, column 1'],
  ] as const)
    assert.equal(faultOf(text), `${what}, at ${place}`);
});
