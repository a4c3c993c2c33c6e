import type { Connection } from './connection.ts';
import type { HandshakePolicy } from './handshake.ts';
import { encodeHistory } from './hello.ts';

/** What a peer knows of how far this node's folder has come: it is told again when there is more, now and then. */
export class ToldHistory {
  readonly #policy: HandshakePolicy;
  readonly #everyTicks: number;
  #ticksToNext = 0;
  #progress = 0;

  constructor(policy: HandshakePolicy, everyTicks: number) {
    this.#policy = policy;
    this.#everyTicks = everyTicks;
  }

  /** The peer was told with this node's hello. */
  toldBefore(progress: number): void {
    this.#progress = progress;
  }

  tick({ outbox }: Connection): void {
    if (--this.#ticksToNext > 0) return;
    this.#ticksToNext = this.#everyTicks;
    const folder = this.#policy.localFolder();
    const { progress } = folder.history;
    if (progress === this.#progress) return;
    this.#progress = progress;
    outbox.append(outbox.foreground, encodeHistory(folder));
  }
}
