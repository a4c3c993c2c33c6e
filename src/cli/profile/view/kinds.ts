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
    title: 'CPU time',
    unit: 'ms',
    note: 'How much user and system time each thread used is measured; how it is divided among functions is sampled. [kernel] stands below the function that asked for it. System time that no sampled call explains is attributed to where the thread was seen asleep, by how long it was seen there: reading from sockets and polling below (event loop), the work of a sync below it, falling asleep and waking up below functions that wait for requests. Time in which a thread did not run is in the profile of waits.',
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
