import { Command } from 'commander';
import { clientSettings } from '../../config.ts';
import { errorMessage } from '../../errors.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { readObject, send } from '../http-client.ts';
import { addSettings, environmentManual, readSettings } from '../options.ts';
import { print } from '../output.ts';
import {
  formatTable,
  type NodeReport,
  statusConditions,
  statusRefusals,
  statusRows,
} from './status-table.ts';

/** A node that is alive answers within milliseconds, so the table does not wait longer for one that hangs. */
const PEER_TIMEOUT_MS = 2_000;

const MANUAL = `
Asks one node, then every node it knows; those that do not answer are shown as
unreachable. Below the table stands a line for each condition that keeps a node
from doing all it should, with its code (README.md lists them, and what to do),
and for each peer that a node refuses, or that refuses it. docs/STATUS.md
explains the fields of --json.

  keys         estimated: deletions and old versions count until they are compacted,
               and so do the node's own records
  tables       on each level, from level 0
  cache        hit rate of the block cache since the start
  table reads  blocks read from disk since the start, by thread
  hints        writes that other nodes missed and this one remembers for them
  conflicts    writes that the node acknowledged though a later one, under way at
               the same time, wins over them: several clients write one key
  compared     when all slots that the node leads were last compared with
               all their other owners (${PROGRAM} repair --wait does it now)
  loop p99.9   delay of the main thread's event loop over the last minute

Examples:
  ${PROGRAM} status
  ${PROGRAM} status --url http://127.0.0.1:19235
  ${PROGRAM} status --json | jq '.[].status.node.state'

${environmentManual(clientSettings)}

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.unreachable, ExitCode.output])}`;

export function statusCommand(): Command {
  const command = new Command('status')
    .description('Shows how the nodes of a cluster are.')
    .option('--json', 'write every node\'s whole status as JSON: [{"id", "http", "status" or "error"}]');
  return addSettings(command, clientSettings)
    .addHelpText('after', MANUAL)
    .action(() => status(command));
}

async function status(command: Command): Promise<void> {
  const { url } = readSettings(command, clientSettings, process.env);
  const asked = await askStatus(url);
  const reports = await Promise.all(
    asked.nodes.map(async ({ id, http: address }): Promise<NodeReport> => {
      const http = `http://${address}`;
      if (id === asked.node.id) {
        return { id, http, status: asked };
      }
      try {
        return { id, http, status: await askStatus(http) };
      } catch (error) {
        // What the error advises is for the node that the user has named.
        return { id, http, error: error instanceof CommandError ? error.reason : errorMessage(error) };
      }
    }),
  );
  await print(
    command.getOptionValue('json') === true
      ? JSON.stringify(reports, null, 2)
      : [formatTable(statusRows(reports)), ...statusConditions(reports), ...statusRefusals(reports)].join(
          '\n',
        ),
  );
}

/** What a status must have for this command. Other fields are shown where they are there. */
interface NodeStatus extends Readonly<Record<string, unknown>> {
  readonly node: { readonly id: string };
  /** Every node of the cluster, including this one. */
  readonly nodes: readonly { readonly id: string; readonly http: string }[];
}

/** Accepts any HTTP status: a node that drains sends 503 and still says in the body how it is. */
async function askStatus(node: string): Promise<NodeStatus> {
  const url = `${node}/v0/status`;
  const response = await send({ method: 'GET', url, silenceTimeoutMs: PEER_TIMEOUT_MS });
  const status = await readObject(url, response);
  if (!isStatus(status)) {
    throw new CommandError(ExitCode.error, `what answers at ${node} is not a Quorate node`);
  }
  return status;
}

function isStatus(status: Readonly<Record<string, unknown>>): status is NodeStatus {
  const { node, nodes } = status as Partial<NodeStatus>;
  return node?.id !== undefined && Array.isArray(nodes);
}
