/** The history: newest first, each event with a switch between like and dislike and a button that takes it out. */
import { element, icon, titleText } from './dom';
import type { Entry } from './person';

/** What the entries do; places count from the oldest, 0. */
export interface HistoryModel {
  /** Oldest first. */
  readonly entries: readonly Entry[];
  /** Items that were added on this page. */
  readonly added: ReadonlySet<string>;
  /** The most to show; the newest are shown. */
  readonly most: number;
  flip(index: number): void;
  remove(index: number): void;
}

/** Shows the entries in `list`. The focus stays at its place; where nothing is left there, `otherwise` gets it. */
export function showEntries(list: HTMLElement, model: HistoryModel, otherwise: HTMLElement): void {
  const focused = document.activeElement;
  const had = focused instanceof HTMLElement && list.contains(focused) ? focused : null;
  const index = had ? [...list.children].indexOf(had.closest('li')!) : -1;
  const shown = model.entries.map((entry, i) => ({ entry, i })).reverse();
  list.replaceChildren(...shown.slice(0, model.most).map(({ entry, i }) => entryElement(entry, i, model)));
  if (!had) return;
  const row = list.children[Math.min(index, list.children.length - 1)];
  (row?.querySelector<HTMLElement>(`[data-act=${had.dataset.act}]`) ?? otherwise).focus({ preventScroll: true });
}

function entryElement({ item, title, label }: Entry, index: number, model: HistoryModel) {
  const liked = label === 1;
  return element(
    'li',
    { 'data-item': item, class: model.added.has(item) ? 'own' : undefined },
    element(
      'button',
      {
        type: 'button',
        class: `act ${liked ? 'on' : 'off'}`,
        'data-act': 'flip',
        'aria-label': `${liked ? 'Liked' : 'Disliked'}: ${title}. Change to ${liked ? 'disliked' : 'liked'}`,
        title: liked ? 'Liked; change to disliked' : 'Disliked; change to liked',
        onclick: () => model.flip(index),
      },
      icon(liked ? 'like' : 'dislike'),
    ),
    titleText(title),
    element(
      'button',
      {
        type: 'button',
        class: 'act',
        'data-act': 'remove',
        'aria-label': `Remove ${title}`,
        title: 'Remove',
        onclick: () => model.remove(index),
      },
      icon('remove'),
    ),
  );
}
