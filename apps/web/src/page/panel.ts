/** What every panel of the page has: a line that says what happens, a bar, and notices of what failed. */
import { Stopped } from './client';
import type { Progress } from './protocol';
import { element, part, sentence } from './shared';

/** The line, the bar and the notices of a panel, by the beginning of their ids. */
export class Panel {
  readonly #said: HTMLElement;
  readonly #bar: HTMLElement;
  readonly #notices: HTMLElement;

  constructor(name: string) {
    this.#said = part(`${name}-said`);
    this.#bar = part(`${name}-progress`);
    this.#notices = part(`${name}-notices`);
  }

  /** Says what happens, or happened. */
  say(text: string): void {
    this.#said.textContent = text;
  }

  /** Shows how far something is. */
  progress({ label, done, total }: Progress): void {
    const share = total > 0 ? Math.min(1, done / total) : null;
    this.#bar.classList.toggle('known', share !== null);
    // Set from a script, not as an attribute, which the page's policy refuses.
    this.#bar.style.setProperty('--done', String(share ?? 0));
    this.say(
      share === null
        ? `${sentence(label).slice(0, -1)}…`
        : `${sentence(label).slice(0, -1)}: ${Math.floor(100 * share)} %`,
    );
  }

  /** Shows a notice. */
  warn(text: string, isError = true): void {
    this.#notices.append(element('p', { class: isError ? 'notice error' : 'notice', role: 'alert' }, sentence(text)));
  }

  /**
   * Shows the bar while something runs, and what failed as a notice.
   * @returns what came of it; undefined where it failed or was stopped
   */
  async during<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    this.#notices.replaceChildren();
    this.#bar.classList.remove('known');
    this.#bar.hidden = false;
    try {
      return await work();
    } catch (error) {
      this.say(error instanceof Stopped ? 'Stopped.' : '');
      if (!(error instanceof Stopped)) this.warn((error as Error).message);
      return undefined;
    } finally {
      this.#bar.hidden = true;
    }
  }
}
