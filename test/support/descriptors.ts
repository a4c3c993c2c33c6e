import { readdirSync } from 'node:fs';

/** How many descriptors this process has open; undefined on systems that do not tell (other than Linux). */
export function openDescriptors(): number | undefined {
  // The listing itself uses one.
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length - 1 : undefined;
}
