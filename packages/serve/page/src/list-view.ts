/** The list of recommendations: rows with bars, reasons and buttons, which move to their new places when it changes. */
import type { Basis, Ranked } from './api';
import { element, icon, titleText } from './dom';
import { change, score } from './format';
import type { Row } from './person';

/** What the rows show and do. */
export interface ListModel {
  readonly rows: readonly Row[];
  /** Places that an item went up or down since the list before; without an entry nothing is said. */
  readonly moved: ReadonlyMap<string, number | 'new'>;
  readonly basis: Basis;
  /** What is said under a tried title that has no place. */
  readonly beyond: string;
  /** The reader likes (1) or dislikes (0) an item. */
  judge(item: Ranked, label: 0 | 1): void;
}

/** A bar's name, value and color; the widest bar is `full`. */
export interface Bar {
  readonly name: string;
  readonly kind: 'fused' | 'cf' | 'llm';
  readonly value: number | null;
}

/** Shows the rows in `list`. The focus stays with the item, or else with the place, that had it. */
export function showRows(list: HTMLElement, model: ListModel): void {
  const before = new Map(rowsOf(list).map((row) => [row.dataset.item, row.getBoundingClientRect().top]));
  const focused = focusIn(list);
  const parts = partsOf(model.rows.map(({ ranked }) => ranked));
  const isCount = model.basis === 'popularity';
  const full = isCount ? Math.max(1, ...model.rows.map(({ ranked }) => ranked.score)) : 1;
  list.replaceChildren(...model.rows.map((row) => rowElement(row, model, parts, full)));
  restoreFocus(list, focused);
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  for (const row of rowsOf(list)) {
    const from = before.get(row.dataset.item);
    if (before.size === 0) continue;
    if (from === undefined) row.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 250, easing: 'ease-out' });
    else {
      const distance = from - row.getBoundingClientRect().top;
      if (Math.abs(distance) < 1) continue;
      const move = [{ transform: `translateY(${distance}px)` }, { transform: 'none' }];
      row.animate(move, { duration: 250, easing: 'ease-out' });
    }
  }
}

/** Empty rows in place of a list that is on its way. */
export function showAwaited(list: HTMLElement, count: number): void {
  list.replaceChildren(
    ...Array.from({ length: count }, () =>
      element(
        'li',
        { class: 'awaited', 'aria-hidden': true },
        element('span'),
        element('span', { class: 'blank' }),
        element('span', { class: 'blank' }),
      ),
    ),
  );
}

const rowsOf = (list: HTMLElement) => [...list.children] as HTMLElement[];

/** Which parts any row has: bars of the others are left out. */
function partsOf(items: readonly Ranked[]) {
  const has = (part: 'cf' | 'llm') => items.some((item) => typeof item[part] === 'number');
  return { cf: has('cf'), llm: has('llm') };
}

function rowElement(row: Row, model: ListModel, parts: { cf: boolean; llm: boolean }, full: number) {
  const { ranked, place, own } = row;
  const isCount = model.basis === 'popularity';
  // One part alone is the score itself, so one bar says it.
  const both = parts.cf && parts.llm && !isCount;
  const only = isCount ? 'Users' : parts.llm ? 'LLM' : parts.cf ? 'CF' : 'Score';
  const bars: Bar[] = [{ name: both ? 'Fused' : only, kind: 'fused', value: ranked.score }];
  if (both) {
    bars.push({ name: 'CF', kind: 'cf', value: ranked.cf ?? null });
    bars.push({ name: 'LLM', kind: 'llm', value: ranked.llm ?? null });
  }
  const button = (label: 0 | 1) => {
    const [name, words] = label === 1 ? (['like', 'Like'] as const) : (['dislike', 'Not for this person'] as const);
    return element(
      'button',
      {
        type: 'button',
        class: 'act',
        'data-act': name,
        'aria-label': `${words}: ${ranked.title}`,
        title: words,
        onclick: (event) => {
          (event.currentTarget as HTMLElement).closest('li')?.classList.add('leaving');
          model.judge(ranked, label);
        },
      },
      icon(name),
    );
  };
  return element(
    'li',
    { 'data-item': ranked.item, class: own ? 'own' : undefined },
    element(
      'div',
      { class: 'place' },
      element('span', { class: 'number' }, place === null ? '…' : String(place)),
      movedElement(model.moved.get(ranked.item)),
    ),
    element(
      'div',
      { class: 'what' },
      titleText(ranked.title, 'h3'),
      own ? element('p', { class: 'tag' }, place === null ? `Your title: ${model.beyond}` : 'Your title') : null,
    ),
    element('dl', { class: 'bars' }, ...bars.map((bar) => barElement(bar, full, isCount))),
    element('div', { class: 'acts' }, button(1), button(0)),
    ranked.reasons ? reasonsElement(ranked.reasons) : null,
  );
}

function movedElement(moved: number | 'new' | undefined) {
  if (moved === undefined || moved === 0) return null;
  if (moved === 'new') return element('span', { class: 'moved fresh' }, 'new');
  const places = Math.abs(moved);
  return element(
    'span',
    { class: `moved ${moved > 0 ? 'up' : 'down'}` },
    element('span', { 'aria-hidden': true }, `${moved > 0 ? '▲' : '▼'}${places}`),
    element('span', { class: 'unseen' }, `${moved > 0 ? 'up' : 'down'} ${places}`),
  );
}

/** A bar with its name and value. @param full the value of the widest bar */
export function barElement({ name, kind, value }: Bar, full: number, isCount: boolean) {
  const fill = element('span', { class: 'fill' });
  // Set from a script, not as an attribute, which the page's policy refuses.
  fill.style.width = `${(Math.min(1, Math.max(0, (value ?? 0) / full)) * 100).toFixed(1)}%`;
  return element(
    'div',
    { class: kind },
    element('dt', {}, name),
    element(
      'dd',
      {},
      element('span', { class: 'track', 'aria-hidden': true }, fill),
      value === null
        ? element('span', { class: 'value soft' }, element('span', { 'aria-hidden': true }, '–'), unseen('none'))
        : element('span', { class: 'value' }, score(value, isCount)),
    ),
  );
}

const unseen = (text: string) => element('span', { class: 'unseen' }, text);

/** The items of a history that moved a score most. */
export function reasonsElement(reasons: readonly { readonly title: string; readonly change: number }[]) {
  if (reasons.length === 0) return element('p', { class: 'reasons soft' }, 'No item of the history moved this score.');
  return element(
    'ul',
    { class: 'reasons', 'aria-label': 'Items of the history that moved this score most' },
    ...reasons.map((reason) =>
      element(
        'li',
        { class: reason.change < 0 ? 'lower' : 'higher' },
        element('span', { class: 'value' }, change(reason.change)),
        ' ',
        titleText(reason.title),
      ),
    ),
  );
}

/** The item, place and button that have the focus. */
function focusIn(list: HTMLElement) {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || !list.contains(focused)) return null;
  const row = focused.closest('li[data-item]') as HTMLElement;
  return { item: row.dataset.item, index: rowsOf(list).indexOf(row), act: focused.dataset.act ?? 'like' };
}

function restoreFocus(list: HTMLElement, focused: ReturnType<typeof focusIn>) {
  if (!focused) return;
  const rows = rowsOf(list);
  const row = rows.find((candidate) => candidate.dataset.item === focused.item) ?? rows[focused.index] ?? rows.at(-1);
  row?.querySelector<HTMLElement>(`[data-act=${focused.act}]`)?.focus({ preventScroll: true });
}
