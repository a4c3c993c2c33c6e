/** What was measured, and on what. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Step } from '../step.ts';

const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url));

export interface MachineResult {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Of the folder in which the data lay; empty where `df` does not say. */
  readonly fileSystem: string;
  readonly node: string;
  readonly v8: string;
  readonly version: string;
}

export const machineStep: Step = {
  name: 'machine',
  title: 'machine and versions',
  budgetSeconds: 1,
  needs: [],
  run: async ({ data }): Promise<MachineResult> => {
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
    return {
      processor: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      system: `${os.type()} ${os.release()} ${os.arch()}`,
      fileSystem: fileSystemOf(data.parent),
      node: process.version,
      v8: process.versions.v8,
      version,
    };
  },
};

function fileSystemOf(directory: string): string {
  const { stdout } = spawnSync('df', ['--output=fstype', directory], { encoding: 'utf8' });
  return (stdout ?? '').split('\n')[1]?.trim() ?? '';
}
