/** Shows how far a campaign is: a bar on a terminal, otherwise a line every ten seconds. */
import { Presets, SingleBar } from 'cli-progress';
import { systemClock } from '../../src/clock.ts';

const LINE_PERIOD_MS = 10_000;

export class CampaignProgress implements Disposable {
  readonly #total: number;
  readonly #startedMs = systemClock.monotonicMs();
  readonly #bar: SingleBar | undefined;
  #shownMs = this.#startedMs;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
    if (!process.stdout.isTTY) return;
    // A campaign hardly ever lets a timer run, so the bar is drawn when it is updated.
    this.#bar = new SingleBar(
      { stream: process.stdout, format: '{bar} {value}/{total}  {text}', synchronousUpdate: true },
      Presets.shades_classic,
    );
    this.#bar.start(total, 0, { text: '' });
  }

  /** One more of the total is done. */
  step(text = ''): void {
    this.reach(this.#done + 1, text);
  }

  /** This much of the total is done. */
  reach(done: number, text = ''): void {
    this.#done = done;
    if (this.#bar !== undefined) {
      this.#bar.update(Math.min(this.#done, this.#total), { text });
      return;
    }
    const nowMs = systemClock.monotonicMs();
    if (nowMs - this.#shownMs < LINE_PERIOD_MS) return;
    this.#shownMs = nowMs;
    const leftS = ((nowMs - this.#startedMs) / this.#done / 1000) * Math.max(0, this.#total - this.#done);
    console.log(`${Math.floor(this.#done)}/${this.#total}  ${text}  about ${Math.ceil(leftS)} s left`);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
