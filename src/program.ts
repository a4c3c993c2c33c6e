/**
 * How this program was made and is called. A checkout runs its sources; the published package carries the same files
 * compiled. So modules that are named by their address (of threads, of processes) take the ending of who names them.
 */
export const isCompiled = import.meta.url.endsWith('.js');

/** How a user starts it, for manuals and advice. */
export const PROGRAM = isCompiled ? 'npx quorate' : 'node cli.ts';
