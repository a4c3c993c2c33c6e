import { readdirSync } from 'node:fs';

/** How many descriptors this process has open; undefined where the system does not say (other than Linux). */
export function openDescriptors(): number | undefined {
  // The listing has a descriptor of its own.
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length - 1 : undefined;
}
