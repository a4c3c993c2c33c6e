/** A Node for ARM64 on this machine: emulated, which shows that code runs there, but not the order of its memory. */
import { spawnSync } from 'node:child_process';
import { installNode } from './npm.ts';

const EMULATOR = 'qemu-aarch64';
/** Where Debian has the C and C++ libraries of ARM64 for other machines. */
const LIBRARIES = '/usr/aarch64-linux-gnu';
/** Debian's packages of both. */
const NEEDED = 'qemu-user libc6-arm64-cross libstdc++6-arm64-cross libatomic1-arm64-cross';

/**
 * @param version of the Node
 * @param folder where it is installed
 * @returns a command that is this Node, or a sentence which says what is missing for it
 */
export async function emulatedNode(version: string, folder: string): Promise<readonly string[] | string> {
  const missing = `not tried: ${EMULATOR} does not run a Node here (on Debian: apt-get install ${NEEDED})`;
  // Before anything is installed for it.
  if (spawnSync(EMULATOR, ['-version']).status !== 0) return missing;
  const command = [EMULATOR, '-L', LIBRARIES, await installNode(version, folder, 'arm64')];
  const [program, ...flags] = command;
  const { status } = spawnSync(program, [...flags, '--version']);
  return status === 0 ? command : missing;
}
