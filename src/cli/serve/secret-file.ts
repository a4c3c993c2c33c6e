/**
 * The file that holds a cluster's secret. `serve` makes it beside cluster.json, or an operator makes it and names it in
 * a topology.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { errorMessage, QuorateError } from '../../errors.ts';
import { ClusterSecret } from '../../rpc/cluster-secret.ts';
import { createExclusively } from '../data/exclusive-file.ts';

const SECRET_FILE = 'cluster.secret';
const SECRET_BYTES = 32;
/** Room for the longest secret and the white space around it. */
const MAX_FILE_BYTES = 4_096;
const READ_BY_GROUP = 0o040;
const USED_BY_OTHERS = 0o007;
const CHANGED_BY_GROUP = 0o030;

/**
 * @returns the file with the secret of the cluster in a data folder. When several processes try at the same moment, one
 *   of them makes it
 */
export function openSecretFile(dataDirectory: string): string {
  const file = path.join(dataDirectory, SECRET_FILE);
  if (fs.existsSync(file)) return file;
  try {
    createExclusively(file, `${randomBytes(SECRET_BYTES).toString('hex')}\n`);
  } catch (error) {
    const message = `the cluster's secret cannot be kept in ${file} (${errorMessage(error)}): let this user write there, or name another file with --cluster-secret-file`;
    throw new QuorateError('STORAGE', message, error);
  }
  return file;
}

/**
 * @returns the secret in the file
 * @throws QuorateError INVALID_CONFIG when the file is missing, others can read it, or it holds no secret
 */
export function readSecretFile(file: string): string {
  let text: string;
  try {
    const descriptor = fs.openSync(file, 'r');
    try {
      checkOwner(file, fs.fstatSync(descriptor));
      text = fs.readFileSync(descriptor, 'utf8');
    } finally {
      fs.closeSync(descriptor);
    }
    ClusterSecret.of(text);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    let reason = `it cannot be read: ${errorMessage(error)}`;
    if (error instanceof QuorateError) reason = error.message;
    else if (isMissing) reason = 'there is no such file: give this node the same one as every other';
    throw new QuorateError(
      'INVALID_CONFIG',
      `the cluster secret file ${file} cannot be used: ${reason}`,
      error,
    );
  }
  return text;
}

/**
 * Only the owner may read it. When root owns it, as in a container that is given the file, its group may read it as
 * well, because the owner then cannot be the user who runs the node.
 */
function checkOwner(file: string, stat: fs.Stats): void {
  if (!stat.isFile() || stat.size > MAX_FILE_BYTES)
    throw new QuorateError('INVALID_CONFIG', 'it is not a small file');
  // Windows has no such permission bits.
  if (process.platform === 'win32') return;
  const isOwn = stat.uid !== 0 || process.getuid?.() === 0;
  const refused = USED_BY_OTHERS | CHANGED_BY_GROUP | (isOwn ? READ_BY_GROUP : 0);
  if ((stat.mode & refused) === 0) return;
  throw new QuorateError(
    'INVALID_CONFIG',
    `other users can read it, so it may be known to them: run \`chmod 600 ${file}\`, and make a new secret if one of them may have`,
  );
}
