/** What the supervisor runs, a process for each node. */
import { hostNode } from './node-host.ts';

hostNode(() => import('../../node/node.ts'));
