import { copyBytes } from './bytes.ts';
import { decompressLz4 } from './lz4.ts';
import { LZ4_ROOM_BYTES, lz4Module } from './lz4-code.ts';

/** So many views of the input are kept. */
const VIEWS = 256;

type Decompress = (at: number, end: number, to: number, toEnd: number) => number;

/** What is used of it: TypeScript has it among the types of browsers alone. */
interface WebAssemblyApi {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly decompress: Decompress };
  };
}

/**
 * Decompresses blocks of up to 64 KiB in WebAssembly, which has a memory of its own: who reads into `input` what is to
 * be decompressed, and takes it from `output`, saves a copy each.
 */
class Lz4Memory {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  readonly #decompress: Decompress;
  /** Views of the start of `input`, each at the place that its length gives it. */
  readonly #starts: Uint8Array[];

  /** @throws Error where there is no WebAssembly with vectors, or no room for another memory */
  constructor() {
    const { Instance, Module } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi })
      .WebAssembly;
    const { decompress, memory } = new Instance(new Module(lz4Module())).exports;
    const { buffer } = memory;
    this.input = new Uint8Array(buffer, 0, LZ4_ROOM_BYTES);
    this.output = new Uint8Array(buffer, LZ4_ROOM_BYTES, LZ4_ROOM_BYTES);
    this.#decompress = decompress;
    this.#starts = new Array(VIEWS).fill(this.input.subarray(0, 0));
  }

  /** `input.subarray(0, lengthBytes)`, mostly without making it. */
  inputStart(lengthBytes: number): Uint8Array {
    const place = lengthBytes & (VIEWS - 1);
    const kept = this.#starts[place];
    if (kept.length === lengthBytes) return kept;
    const start = this.input.subarray(0, lengthBytes);
    this.#starts[place] = start;
    return start;
  }

  /** As `decompressLz4`, of what has room here. */
  decompress(
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    targetStart: number,
    targetEnd: number,
  ): boolean {
    const { input, output } = this;
    let at = start;
    if (source !== input) {
      at = 0;
      copyBytes(source, start, end, input, 0);
    }
    const bytes = targetEnd - targetStart;
    if (this.#decompress(at, at + end - start, LZ4_ROOM_BYTES, LZ4_ROOM_BYTES + bytes) === 0) return false;
    if (target !== output || targetStart !== 0) copyBytes(output, 0, bytes, target, targetStart);
    return true;
  }
}

/** That of the thread; undefined: it has needed none yet; null: there can be none. */
let ofThread: Lz4Memory | null | undefined;

/** Where what is to be decompressed had best lie; null: anywhere. A thread that has met no LZ4 has no memory for it. */
export function lz4Input(): Uint8Array | null {
  return ofThread?.input ?? null;
}

/**
 * `bytes.subarray(start, end)`. Of the beginning of `lz4Input` it is a view that was made before, as blocks of a table
 * are of few lengths: to make one takes a third of the time of the checksum of a block.
 */
export function viewOfInput(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const memory = ofThread ?? null;
  return memory !== null && start === 0 && bytes === memory.input
    ? memory.inputStart(end)
    : bytes.subarray(start, end);
}

/** Where it is quickest to have it; what is there is overwritten by the next block. */
export function lz4Output(): Uint8Array | null {
  return ofThread?.output ?? null;
}

/** `decompressLz4` in the quickest way that there is. A target that is `lz4Output` is filled from its start. */
export function unpackLz4(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  targetEnd: number,
): boolean {
  if (ofThread === undefined) ofThread = memoryOrNull();
  const hasRoom = end - start <= LZ4_ROOM_BYTES && targetEnd - targetStart <= LZ4_ROOM_BYTES;
  return ofThread !== null && hasRoom
    ? ofThread.decompress(source, start, end, target, targetStart, targetEnd)
    : decompressLz4(source, start, end, target, targetStart, targetEnd);
}

function memoryOrNull(): Lz4Memory | null {
  try {
    return new Lz4Memory();
  } catch {
    return null;
  }
}
