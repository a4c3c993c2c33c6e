/** Programs that tests run as processes of their own. */
import { fileURLToPath } from 'node:url';

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export const batchWriterProcess = pathOf('./batch-writer-process.ts');
export const cli = pathOf('../../cli.ts');
export const commandProcess = pathOf('./command-process.ts');
export const fakeNodeProcess = pathOf('./fake-node-process.ts');
export const scriptProcess = pathOf('./script-process.ts');
export const supervisorProcess = pathOf('./supervisor-process.ts');
