/** The supervisor runs this file, once for each node. */
import { hostNode } from './node-host.ts';

hostNode(() => import('./http-node.ts'));
