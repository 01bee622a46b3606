/** What is said beside the list: progress, errors with a way on, and lists that are less than was asked for. */
import { ApiError } from './api';
import { element, part } from './dom';
import { sentence } from './format';

/** Says what an error says, or what is strange about it. */
export function messageOf(error: unknown): { readonly message: string; readonly fix: string | undefined } {
  const fix = error instanceof ApiError ? error.fix : undefined;
  return { message: sentence(error instanceof Error ? error.message : String(error)), fix: fix && sentence(fix) };
}

/** Shows an error, with a button that asks again. */
export function showError(error: unknown, again: () => void): void {
  const { message, fix } = messageOf(error);
  const id = error instanceof ApiError ? error.requestId : undefined;
  part('notices').replaceChildren(
    element(
      'div',
      { class: 'notice error', role: 'alert' },
      element('p', {}, element('strong', {}, message), fix ? ` ${fix}` : null),
      element(
        'div',
        { class: 'row' },
        againButton(again),
        id ? element('span', { class: 'soft' }, `Request ${id}`) : null,
      ),
    ),
  );
}

/** Says what a deadline took from a list: the language model's order, or only the reasons. */
export function showDegraded(isCfOrder: boolean, again: () => void): void {
  const message = isCfOrder
    ? 'The language model did not answer in time: this is the order of CF alone.'
    : 'The reasons did not come in time; the list is whole.';
  part('notices').replaceChildren(
    element(
      'div',
      { class: 'notice' },
      element('p', {}, message),
      element('div', { class: 'row' }, againButton(again)),
    ),
  );
}

/** Takes the notice away. */
export function clearNotices(): void {
  part('notices').replaceChildren();
}

const againButton = (again: () => void) => element('button', { type: 'button', onclick: again }, 'Ask again');

let ticking: ReturnType<typeof setInterval> | undefined;

/** Shows that an answer is awaited, from one second on with the seconds. */
export function startProgress(): void {
  clearInterval(ticking);
  const since = performance.now();
  part('progress').hidden = false;
  part('items').setAttribute('aria-busy', 'true');
  ticking = setInterval(() => {
    part('basis').textContent = `Asking… ${Math.round((performance.now() - since) / 1000)} s`;
  }, 1000);
}

/** The answer is there, or there will be none: then no row waits for it. */
export function endProgress(): void {
  clearInterval(ticking);
  part('progress').hidden = true;
  part('items').removeAttribute('aria-busy');
  for (const row of part('items').querySelectorAll('.awaited')) row.remove();
}
