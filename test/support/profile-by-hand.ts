/** Profiles whose true shares are known. */
import type {
  CallFrame,
  CpuProfile,
  HeapNode,
  NodeFiles,
  ThreadFiles,
} from '../../src/cli/profile/profile-folder.ts';

/** `name` or `name@url:line`, lines from 1. */
export function callFrame(text: string): CallFrame {
  const [, functionName, url = '', line = '0'] = /^([^@]*)(?:@(.*):(\d+))?$/.exec(text) ?? [];
  return { functionName, scriptId: '0', url, lineNumber: Number(line) - 1, columnNumber: -1 };
}

/** @param stacks each with the milliseconds it was seen in; frames from the outermost on, divided by ` > ` */
export function cpuProfile(stacks: readonly (readonly [stack: string, ms: number])[]): CpuProfile {
  const nodes: { id: number; callFrame: CallFrame; children: number[] }[] = [
    { id: 1, callFrame: callFrame('(root)'), children: [] },
  ];
  const ids = new Map<string, number>();
  const samples: number[] = [];
  const timeDeltas: number[] = [0];
  for (const [stack, ms] of stacks) {
    let parent = nodes[0];
    let path = '';
    for (const text of stack.split(' > ')) {
      path += ` > ${text}`;
      let id = ids.get(path);
      if (id === undefined) {
        id = nodes.length + 1;
        ids.set(path, id);
        nodes.push({ id, callFrame: callFrame(text), children: [] });
        parent.children.push(id);
      }
      parent = nodes[id - 1];
    }
    samples.push(parent.id);
    timeDeltas.push(ms * 1000);
  }
  const micros = timeDeltas.reduce((sum, delta) => sum + delta, 0);
  return {
    nodes,
    startTime: 5_000_000,
    endTime: 5_000_000 + micros,
    samples,
    timeDeltas: timeDeltas.slice(0, -1),
  };
}

export function heapNode(text: string, selfSize: number, children: readonly HeapNode[] = []): HeapNode {
  return { callFrame: callFrame(text), selfSize, id: 0, children };
}

export function threadFiles(name: string, files: Partial<ThreadFiles>): ThreadFiles {
  return { name, cpu: null, sampledCpu: null, heap: null, waits: null, ...files };
}

/** One node with one thread. */
export function oneThread(files: Partial<ThreadFiles>, thread = 'main'): NodeFiles[] {
  return [{ name: 'node-1', threads: [threadFiles(thread, files)] }];
}
