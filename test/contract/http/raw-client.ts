/** An HTTP client that hides nothing: sends any bytes, and reads answers off the socket by itself. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly phrase: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Of a chunked body: each chunk as it came. */
  readonly chunks: readonly Buffer[];
}

const CRLF = Buffer.from('\r\n');

export class RawClient implements Disposable {
  readonly socket: Socket;
  /** Resolves when the socket is closed, with the error that closed it. */
  readonly closed: Promise<NodeJS.ErrnoException | null>;
  #pieces: Buffer[] = [];
  #length = 0;
  #error: NodeJS.ErrnoException | null = null;
  #hasEnded = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.#length += bytes.length;
      this.#wake();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#hasEnded = true;
        this.#wake();
        resolve(this.#error);
      });
    });
  }

  /** @param localAddress of this machine, to be another client */
  static async connect(port: number, localAddress = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    const client = new RawClient(socket);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return client;
  }

  send(...parts: (string | Uint8Array)[]): this {
    this.socket.write(
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
    );
    return this;
  }

  /** The next answer; throws when the connection ends before it does. 100 Continue is an answer, too. */
  async answer(isHead = false): Promise<RawAnswer> {
    const head = (await this.#through(Buffer.from('\r\n\r\n'))).toString('latin1').split('\r\n');
    const [, status, phrase] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(head[0]) ?? [];
    if (status === undefined) throw new Error(`no status line: ${head[0]}`);
    const headers = new Map<string, string>();
    for (const line of head.slice(1, -2)) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const chunks: Buffer[] = [];
    let body: Buffer = Buffer.alloc(0);
    if (headers.get('transfer-encoding') === 'chunked') {
      for (;;) {
        const size = Number.parseInt((await this.#through(CRLF)).toString('latin1'), 16);
        const chunk = (await this.take(size + 2)).subarray(0, size);
        if (size === 0) break;
        chunks.push(chunk);
      }
      body = Buffer.concat(chunks);
    } else if (headers.has('content-length') && !isHead) {
      body = await this.take(Number(headers.get('content-length')));
    }
    return { status: Number(status), phrase, headers, body, chunks };
  }

  async take(length: number): Promise<Buffer> {
    while (this.#length < length) await this.#more();
    const received = this.#received();
    this.#pieces = [received.subarray(length)];
    this.#length -= length;
    return received.subarray(0, length);
  }

  /** What came and was not taken, after the server ended the connection. */
  async rest(): Promise<Buffer> {
    while (!this.#hasEnded) await this.#change();
    return this.#received();
  }

  async #through(mark: Buffer): Promise<Buffer> {
    for (;;) {
      const at = this.#received().indexOf(mark);
      if (at >= 0) return this.take(at + mark.length);
      await this.#more();
    }
  }

  #received(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0];
  }

  async #more(): Promise<void> {
    if (this.#hasEnded)
      throw new Error(`the connection ended before the answer did: ${this.#error?.code ?? 'FIN'}`);
    await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
