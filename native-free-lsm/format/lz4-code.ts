/**
 * LZ4's decompression as a WebAssembly module, which is put together from the text below when it is first needed. (The
 * same in JavaScript is in lz4.ts.) Why: V8 runs WebAssembly as machine code from the first call on, and copies sixteen
 * bytes at once. JavaScript takes a hundred times as long until V8's last compiler has come to it, which is after
 * thousands of blocks.
 *
 * The module has a memory of its own: `input` and `output` of Lz4Memory are parts of it. It takes no import. It writes
 * nothing beside the output and the slack behind it, whatever the input is.
 */

/** Blocks of up to so many bytes, compressed or not, fit in. */
export const LZ4_ROOM_BYTES = 64 * 1024;
const PAGE_BYTES = 64 * 1024;
/** Pieces are copied in steps, of which the last may go beyond the output. The input is followed by the output. */
const STEP_BYTES = 16;
const PAGES = Math.ceil((2 * LZ4_ROOM_BYTES + STEP_BYTES) / PAGE_BYTES);

/** Arguments, then variables; all are of 32 bits. `at` and `atEnd` are of the input, `to` and `toEnd` of the output. */
const ARGUMENTS = ['at', 'atEnd', 'to', 'toEnd'];
const VARIABLES = ['start', 'token', 'length', 'behind', 'match', 'distance', 'byte'];

/** It is a stack machine: operands stand before what is done with them. */
const FAIL = 'if 0 return end';

/** Adds the bytes of a length that does not fit in its half of the token. */
const MORE = `
  loop
    at atEnd ge ${FAIL}
    at load8 tee:byte length add set:length
    at 1 add set:at
    byte 255 eq br_if:0
  end`;

/** Copies from `match` to `to`, up to `behind` and beyond it to the end of a step. */
function copy(bits: 8 | 64 | 128): string {
  return `
  loop
    to match load${bits} store${bits}
    match ${bits / 8} add set:match
    to ${bits / 8} add tee:to behind lt br_if:0
  end
  behind set:to`;
}

/** `(at, atEnd, to, toEnd) => whether it was whole, and filled just that`. lz4.ts says what a sequence is. */
const DECOMPRESS = `
  to set:start
  loop
    at atEnd ge ${FAIL}
    at load8 set:token
    at 1 add set:at
    token 4 shr tee:length 15 eq if ${MORE} end
    length if
      length atEnd at sub gt  length toEnd to sub gt  or ${FAIL}
      to length add set:behind
      at set:match
      at length add set:at
      ${copy(128)}
    end
    at atEnd eq if to toEnd eq return end
    at 2 add atEnd gt ${FAIL}
    at load16 set:distance
    at 2 add set:at
    distance eqz  distance to start sub gt  or ${FAIL}
    token 15 and tee:length 15 eq if ${MORE} end
    length 4 add tee:length toEnd to sub gt ${FAIL}
    to length add set:behind
    to distance sub set:match
    distance 16 ge if ${copy(128)}
    else distance 8 ge if ${copy(64)}
    else ${copy(8)} end end
    br:0
  end
  unreachable
end`;

const INT32 = 0x7f;
/** Blocks have no result; loads and stores have no offset, and any alignment. */
const NO_RESULT = 0x40;
const ANYWHERE = [0, 0];

const INSTRUCTIONS: Readonly<Record<string, readonly number[]>> = {
  unreachable: [0x00],
  loop: [0x03, NO_RESULT],
  if: [0x04, NO_RESULT],
  else: [0x05],
  end: [0x0b],
  br: [0x0c],
  br_if: [0x0d],
  return: [0x0f],
  set: [0x21],
  tee: [0x22],
  load8: [0x2d, ...ANYWHERE],
  load16: [0x2f, ...ANYWHERE],
  load64: [0x29, ...ANYWHERE],
  load128: [0xfd, 0, ...ANYWHERE],
  store8: [0x3a, ...ANYWHERE],
  store64: [0x37, ...ANYWHERE],
  store128: [0xfd, 11, ...ANYWHERE],
  eqz: [0x45],
  eq: [0x46],
  lt: [0x49],
  gt: [0x4b],
  ge: [0x4f],
  add: [0x6a],
  sub: [0x6b],
  and: [0x71],
  or: [0x72],
  shr: [0x76],
};
const LOCAL_GET = 0x20;
const INT32_CONST = 0x41;

/** The bytes of the module. It exports `memory` and `decompress`. */
export function lz4Module(): Uint8Array<ArrayBuffer> {
  const body = [1, VARIABLES.length, INT32, ...assemble(DECOMPRESS, [...ARGUMENTS, ...VARIABLES])];
  const signature = [0x60, ARGUMENTS.length, ...ARGUMENTS.map(() => INT32), 1, INT32];
  return Uint8Array.of(
    ...[0, ...bytesOf('asm'), 1, 0, 0, 0],
    ...section(1, [1, ...signature]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, PAGES, PAGES]),
    ...section(7, [2, ...named('memory'), 2, 0, ...named('decompress'), 0, 0]),
    ...section(10, [1, ...sized(body)]),
  );
}

/** A name alone is the value of a local; a number is itself; `name:argument` is an instruction with an argument. */
function assemble(text: string, locals: readonly string[]): number[] {
  return text
    .trim()
    .split(/\s+/)
    .flatMap((word) => {
      if (locals.includes(word)) return [LOCAL_GET, locals.indexOf(word)];
      const [name, argument] = word.split(':');
      const instruction = INSTRUCTIONS[name];
      if (instruction === undefined) return [INT32_CONST, ...signed(Number(word))];
      if (argument === undefined) return instruction;
      return [...instruction, locals.includes(argument) ? locals.indexOf(argument) : Number(argument)];
    });
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function named(name: string): number[] {
  return sized(bytesOf(name));
}

function bytesOf(text: string): number[] {
  return [...Buffer.from(text)];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 with a sign, of a number that is not negative: its last byte has a free bit. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
