/** A process that opens the secret of a data folder when it is told to, for tests that let several do so at once. */
import { openSecretFile, readSecretFile } from '../../src/cli/serve/secret-file.ts';

process.on('message', () => {
  process.send?.(readSecretFile(openSecretFile(process.argv[2])));
  process.disconnect?.();
});
process.send?.('ready');
