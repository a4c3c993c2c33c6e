import { json } from 'node:stream/consumers';
import { Command } from 'commander';
import { clientSettings } from '../config.ts';
import { errorMessage } from '../errors.ts';
import { CommandError, ExitCode, exitCodesManual } from './exit-codes.ts';
import { send, sendOrThrow, unreachable } from './http-client.ts';
import { addSettings, environmentManual, readSettings } from './options.ts';
import { formatTable, type NodeReport, statusRows } from './status-table.ts';

/** A node that is alive answers in milliseconds; the table waits no longer for a frozen one. */
const PEER_TIMEOUT_MS = 2_000;

const MANUAL = `
Asks one node, then every node it knows; those that do not answer are shown as
unreachable.

  keys         estimated: deletions and old versions count until they are compacted
  tables       on each level, from level 0
  cache        hit rate of the block cache since the start
  table reads  blocks read from disk since the start, by thread
  loop p99.9   delay of the main thread's event loop over the last minute

Examples:
  node cli.ts status
  node cli.ts status --url http://127.0.0.1:19235
  node cli.ts status --json | jq '.[].status.state'

${environmentManual(clientSettings)}

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.unreachable])}`;

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
  const asked = await askStatus(url, true);
  const reports = await Promise.all(
    listedNodes(asked, url).map(async ({ id, http }): Promise<NodeReport> => {
      if (id === asked.node) {
        return { id, http, status: asked };
      }
      try {
        return { id, http, status: await askStatus(http, false) };
      } catch (error) {
        return { id, http, error: errorMessage(error) };
      }
    }),
  );
  console.log(
    command.getOptionValue('json') === true
      ? JSON.stringify(reports, null, 2)
      : formatTable(statusRows(reports)),
  );
}

/** @param mustServe whether an answer other than 200 is a failure; a draining node still has a status to show */
async function askStatus(node: string, mustServe: boolean): Promise<Record<string, unknown>> {
  const url = `${node}/v0/status`;
  const request = { method: 'GET', url, silenceTimeoutMs: PEER_TIMEOUT_MS } as const;
  const response = await (mustServe ? sendOrThrow(request) : send(request));
  let answer: unknown;
  try {
    answer = await json(response);
  } catch (error) {
    throw unreachable(url, error);
  }
  if (typeof answer !== 'object' || answer === null) {
    throw new CommandError(ExitCode.error, `what answers at ${node} is not a Quorate node`);
  }
  return answer as Record<string, unknown>;
}

/** Every node the asked one lists, itself among them. */
function listedNodes(asked: Record<string, unknown>, url: string): { id: string; http: string }[] {
  const nodes = Array.isArray(asked.nodes) ? (asked.nodes as { id: string; http: string }[]) : [];
  if (nodes.length === 0) {
    return [{ id: String(asked.node), http: url }];
  }
  return nodes.map(({ id, http }) => ({ id, http: http.includes('://') ? http : `http://${http}` }));
}
