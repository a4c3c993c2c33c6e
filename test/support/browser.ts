/** A headless Chromium with one page, asked over its debugging port. It comes as a package and needs no installation. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import chromium from '@sparticuz/chromium';
import { until } from './until.ts';

const START_TIMEOUT_MS = 60_000;
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--no-zygote',
  '--single-process',
  '--disable-gpu',
  '--window-size=1200,900',
  '--remote-debugging-port=0',
];

interface Target {
  readonly type: string;
  readonly webSocketDebuggerUrl: string;
}

/** An answer has the number of its call, an event has a name. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly error?: { readonly message: string };
  readonly result?: Readonly<Record<string, unknown>>;
}

interface Evaluated {
  readonly result: { readonly value: unknown };
  readonly exceptionDetails?: unknown;
}

export interface BrowserPage extends AsyncDisposable {
  /** The value of an expression in the page, as JSON has it. */
  evaluate(expression: string): Promise<unknown>;
}

export async function openPage(url: string): Promise<BrowserPage> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-browser-'));
  const child = spawn(
    await chromium.executablePath(),
    [...ARGUMENTS, `--user-data-dir=${directory}`, 'about:blank'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      // The C locale makes a language that scripts cannot use.
      env: { ...process.env, LC_ALL: 'en_US.UTF-8' },
    },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const listening = /DevTools listening on ws:\/\/([^/]+)\//;
    await until(
      () => listening.test(output),
      START_TIMEOUT_MS,
      () => `Chromium does not start: ${output}`,
    );
    const list = await fetch(`http://${listening.exec(output)?.[1]}/json/list`);
    const targets = (await list.json()) as Target[];
    const socket = new WebSocket(targets.find(({ type }) => type === 'page')?.webSocketDebuggerUrl ?? '');
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const waiting = new Map<number, (answer: Message) => void>();
    const { promise: loaded, resolve: onLoaded } = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.method === 'Page.loadEventFired') onLoaded();
      waiting.get(message.id ?? 0)?.(message);
    };
    let asked = 0;
    const call = async (method: string, params: object): Promise<unknown> => {
      const id = ++asked;
      const answered = new Promise<Message>((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params }));
      const { error, result } = await answered;
      if (error !== undefined) throw new Error(`${method}: ${error.message}`);
      return result;
    };
    const evaluate = async (expression: string): Promise<unknown> => {
      const params = { expression, returnByValue: true, awaitPromise: true };
      const { exceptionDetails, result } = (await call('Runtime.evaluate', params)) as Evaluated;
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return result.value;
    };
    // Only now, so that its load is heard of: a page given at the start may still be the empty one when it is asked.
    await call('Page.enable', {});
    await call('Page.navigate', { url });
    await loaded;
    return { evaluate, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
