/** Asks a cluster to compare and settle slots now. */

import type { Command as CommandType } from 'commander';
import { Command } from 'commander';
import { systemClock } from '../../clock.ts';
import { clientSettings } from '../../config.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { holdProcess } from '../hold-process.ts';
import { readObject, send, sendOrThrow } from '../http-client.ts';
import { addSettings, environmentManual, readSettings } from '../options.ts';
import { print } from '../output.ts';

const POLL_MS = 500;

const MANUAL = `
Owners of a slot compare what they hold: whoever lacks a version gets it, and what
all of them have is settled, so that what was deleted before takes no room any
more. This happens by itself every --anti-entropy-interval, and when a node has
come back; the command asks for it now, on all nodes. It goes at --repair-rate,
behind the requests of clients, and does no harm however often it is asked for.

Without --wait the command ends when the repair has begun; the node's status
(antiEntropy.repair) says how far it has come. With --wait it ends when the repair
has: with exit code 1 when some slots could not be settled, as while a node is
away, and a line for each node that says why.

Examples:
  ${PROGRAM} repair --wait
  ${PROGRAM} repair --slot 0..8191
  ${PROGRAM} repair --slot 17 --wait --url http://127.0.0.1:19235

${environmentManual(clientSettings)}

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.overloaded, ExitCode.unreachable, ExitCode.output])}`;

export function repairCommand(): CommandType {
  const command = new Command('repair')
    .description('Brings all owners of slots to the same versions, and settles them.')
    .option('--slot <slot>', 'only this slot, or these: A..B, from 0 to 65535')
    .option('--wait', 'end when the repair has, and show how far it is');
  return addSettings(command, clientSettings)
    .addHelpText('after', MANUAL)
    .action(() => repair(command));
}

async function repair(command: CommandType): Promise<void> {
  const { url } = readSettings(command, clientSettings, process.env);
  const { slot, wait } = command.opts<{ slot?: string; wait?: boolean }>();
  const query = slot === undefined ? '' : `?slots=${encodeURIComponent(slot)}`;
  const target = `${url}/v0/repair${query}`;
  const { repair: id } = await readObject(target, await sendOrThrow({ method: 'POST', url: target }));
  if (typeof id !== 'number') throw notKnown(url);
  if (wait !== true) {
    await print(`Repair ${id} has begun.`);
    return;
  }
  const obstacles = await finished(url, id);
  if (obstacles.length === 0) {
    await print(`Repair ${id} is done: all owners hold the same.`);
    return;
  }
  throw new CommandError(
    ExitCode.error,
    `repair ${id} has ended, and some slots are not settled:\n  ${obstacles.join('\n  ')}`,
  );
}

/** Resolves with what kept slots from being settled. */
async function finished(url: string, id: number): Promise<readonly string[]> {
  using _alive = holdProcess();
  for (let shown = -1; ; ) {
    const { repair: status } = await askProgress(url);
    if (status === null || status.id < id)
      throw new CommandError(
        ExitCode.error,
        `repair ${id} is not known any more: the node was started again`,
      );
    // A later one goes over the same slots, and what was due before is done first.
    if (status.isDone) return status.obstacles;
    if (status.stretchesLeft !== shown) {
      shown = status.stretchesLeft;
      process.stderr.write(
        `${status.stretches - shown} of ${status.stretches} stretches of slots are done\n`,
      );
    }
    await new Promise<void>((resolve) => systemClock.after(POLL_MS, resolve));
  }
}

interface Progress {
  readonly repair: {
    readonly id: number;
    readonly stretches: number;
    readonly stretchesLeft: number;
    readonly isDone: boolean;
    readonly obstacles: readonly string[];
  } | null;
}

async function askProgress(url: string): Promise<Progress> {
  const target = `${url}/v0/status`;
  // A node that drains sends 503, and says how far it is all the same.
  const status = await readObject(target, await send({ method: 'GET', url: target }));
  const { antiEntropy } = status as { antiEntropy?: Progress };
  if (antiEntropy === undefined) throw notKnown(url);
  return antiEntropy;
}

function notKnown(url: string): CommandError {
  return new CommandError(ExitCode.error, `what answers at ${url} has no repair`);
}
