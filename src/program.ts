/**
 * How this program was made and is called. A checkout runs its sources; the published package carries the same modules
 * compiled, and named by the same addresses. So those that are loaded by their address (of threads, of processes) take
 * the ending of who names them, and are among the entries in deploy/packages/packages.ts.
 */
export const isCompiled = import.meta.url.endsWith('.js');

/** How a user starts it, for manuals and advice. */
export const PROGRAM = isCompiled ? 'npx quorate' : 'node cli.ts';
