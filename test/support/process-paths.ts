/** Programs that tests run as processes of their own. */
import { fileURLToPath } from 'node:url';

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export const batchWriterProcess = pathOf('./batch-writer-process.ts');
export const cli = pathOf('../../cli.ts');
/** Names the program of a build in the environment. */
export const PROGRAM_VARIABLE = 'TESTED_PROGRAM';
/**
 * The command line that tests of whole nodes run. `npm test` builds the package and names its program, of which a node
 * starts for half the CPU time; without, it is the checkout's.
 */
export const program = process.env[PROGRAM_VARIABLE] ?? cli;
export const commandProcess = pathOf('./command-process.ts');
export const fakeNodeProcess = pathOf('./fake-node-process.ts');
export const scriptProcess = pathOf('./script-process.ts');
export const supervisorProcess = pathOf('./supervisor-process.ts');
