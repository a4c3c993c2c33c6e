/** What there is to see of each kind of profile. Pure. */
import type { ProfileKind } from '../../../node-profile.ts';
import type { NodeFiles } from '../profile-folder.ts';
import { cpuTreeOf } from './cpu-tree.ts';
import type { FrameTree } from './frame-tree.ts';
import { heapTreeOf } from './heap-tree.ts';
import { waitTreeOf } from './wait-tree.ts';

interface KindOfView {
  readonly title: string;
  readonly unit: string;
  readonly note: string;
  readonly treeOf: (nodes: readonly NodeFiles[]) => FrameTree;
}

export const VIEWS: Readonly<Record<ProfileKind, KindOfView>> = {
  cpu: {
    title: 'Where the time went',
    unit: 'ms',
    note: 'Sampled time of all threads, without that in which a thread had nothing to do. [kernel] below a function is time in a call to the system, as the samples show it, waiting for the disk included. [kernel] below (event loop) is attributed: it is the CPU time that the thread spent in the kernel and no sampled call explains, which is reading from sockets and polling them.',
    treeOf: cpuTreeOf,
  },
  heap: {
    title: 'What was allocated',
    unit: 'bytes',
    note: "Allocations on V8's heap, reckoned from samples, whether or not they still lived at the end. The bytes of most Buffers lie outside of it.",
    treeOf: heapTreeOf,
  },
  waits: {
    title: 'What was waited for',
    unit: 'ms',
    note: 'Time in which threads could not go on, by place and by how long one wait took. Waits of threads that had nothing to do are left out; speedscope shows them, too.',
    treeOf: waitTreeOf,
  },
};
