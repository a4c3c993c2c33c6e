/** What stands in one box of a flame graph. Pure. */
import type { CallFrame } from '../profile-folder.ts';

export const FrameKind = {
  /** A node, a thread or another heading. */
  group: 'group',
  /** Quorate's own functions. */
  own: 'own',
  /** Those of its dependencies. */
  library: 'library',
  /** Those of Node that are JavaScript. */
  runtime: 'runtime',
  /** Those that are no JavaScript: of Node, V8 and libuv. */
  native: 'native',
  /** Time in the kernel: see kernel-calls.ts and cpu-tree.ts. */
  kernel: 'kernel',
  /** A wait. */
  wait: 'wait',
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export interface Frame {
  readonly name: string;
  /** Without its line: the same function in another version of its file. */
  readonly steadyName: string;
  readonly kind: FrameKind;
}

/** What paths are cut to: whoever reads a profile need not have the sources in the same folder. */
const ROOT = /^(?:file:\/\/)?.*?\/((?:node_modules|native-free-lsm|src|bench|test)\/.*)$/;

/** Our own files where the published package is installed, and the libraries that it carries. */
const INSTALLED = /^.*\/node_modules\/quorate\/dist\/(?:vendor|(native-free-lsm|src))\/(.*)$/;

export function groupFrame(name: string): Frame {
  return { name, steadyName: name, kind: FrameKind.group };
}

export function kernelFrame(name: string): Frame {
  return { name: `[kernel] ${name}`, steadyName: `[kernel] ${name}`, kind: FrameKind.kernel };
}

/** A function as V8 names it: `name file:line`, lines from 1. */
export function functionFrame({ functionName, lineNumber, url }: CallFrame): Frame {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') {
    const isHeading = name.startsWith('(') && name !== '(anonymous)';
    const shown = isHeading ? name : `${name} [native]`;
    return { name: shown, steadyName: shown, kind: FrameKind.native };
  }
  const file = shortPath(url);
  return { name: `${name} ${file}:${lineNumber + 1}`, steadyName: `${name} ${file}`, kind: kindOf(file) };
}

/** Calls of the profiler itself, which are no part of what is profiled. */
export function isSampler({ functionName, url }: CallFrame): boolean {
  return url === 'node:v8' && /^(?:start|stop)(?:Cpu|Heap)Profile$/.test(functionName);
}

/** From the project's folder on, or from the last `node_modules`, as if the package were the project. */
export function shortPath(url: string): string {
  const [, own, file] = INSTALLED.exec(url) ?? [];
  if (file !== undefined) return `${own ?? 'node_modules'}/${file}`;
  const library = url.lastIndexOf('/node_modules/');
  if (library >= 0) return url.slice(library + 1);
  return ROOT.exec(url)?.[1] ?? url.replace(/^file:\/\//, '');
}

function kindOf(file: string): FrameKind {
  if (file.startsWith('node:')) return FrameKind.runtime;
  return file.startsWith('node_modules/') ? FrameKind.library : FrameKind.own;
}
