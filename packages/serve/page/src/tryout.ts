/** Titles that the run has never seen: named to the server, scored for the person, and placed in the list. */
import type { createApi, List, PersonQuery, Ranked } from './api';
import { element, part, titleText } from './dom';
import { score } from './format';
import { Latest } from './latest';
import { messageOf } from './notices';
import { comparable, idOf, type Row } from './person';

/** What trying titles needs of the page. */
export interface TryoutOptions {
  readonly api: Pick<ReturnType<typeof createApi>, 'items' | 'addItem' | 'recommend'>;
  /** For whom. */
  query(): PersonQuery;
  /** The list as it is shown, or null. */
  list(): List | null;
  /** The titles or their scores changed: the list is to be shown again. */
  changed(): void;
}

/** The most titles tried at a time. */
const most = 5;

/** Brings the form and the titles below it to life. */
export function createTryout({ api, query, list, changed }: TryoutOptions) {
  const field = part<HTMLInputElement>('title');
  const said = part('try-said');
  const scoring = new Latest();
  let titles: readonly { readonly item: string; readonly title: string }[] = [];
  let answer: List | null = null;

  const fail = (error: unknown) => {
    const { message, fix } = messageOf(error);
    said.textContent = [message, fix].filter(Boolean).join(' ');
  };

  async function add(title: string) {
    said.textContent = 'Asking…';
    try {
      // The run may know the title already: then its own item is placed.
      const { items } = await api.items(title.slice(0, 200), 50);
      const own = items.find((item) => item.title.toLowerCase() === title.toLowerCase());
      const item = own?.item ?? idOf(title);
      if (!own && !(await api.addItem(item, title)).ranked) {
        throw new Error('This run has no language model, so it cannot score a title.');
      }
      titles = [{ item, title: own?.title ?? title }, ...titles.filter((other) => other.item !== item)].slice(0, most);
      field.value = '';
      said.textContent = '';
      await scoreAll(item);
    } catch (error) {
      fail(error);
    }
  }

  /** Scores the titles for the person; `newest`: the one to speak of, which goes if it cannot be scored. */
  async function scoreAll(newest?: string) {
    if (titles.length === 0 || !list()) return;
    const signal = scoring.next();
    try {
      const among = titles.map(({ item }) => item);
      const scores = await api.recommend(query(), { top: among.length, among }, signal);
      if (signal.aborted) return;
      answer = scores;
      said.textContent = '';
      changed();
      const where = part('tried').querySelector(`[data-item="${CSS.escape(newest ?? '')}"]`);
      if (where)
        said.textContent = [...where.children]
          .slice(0, 2)
          .map((child) => child.textContent)
          .join(': ');
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
      titles = titles.filter(({ item }) => item !== newest);
      answer = null;
      changed();
    }
  }

  /** The titles that have a place in this list. */
  function placed(shown: List): Ranked[] {
    if (!answer || !comparable(shown, answer)) return [];
    const chosen = new Set(titles.map(({ item }) => item));
    return answer.items.filter(({ item }) => chosen.has(item));
  }

  /** Where a title lies, and with which score. */
  function whereOf(item: string, row: Row | undefined): string {
    const entry = answer?.items.find((candidate) => candidate.item === item);
    if (!entry) return answer ? 'no score' : '…';
    const place = row
      ? row.place === null
        ? `below the first ${list()?.items.length}`
        : `place ${row.place}`
      : 'not placed';
    return `${place}, ${score(entry.score, answer?.basis === 'popularity')}`;
  }

  /** Shows the titles with their places among the rows. */
  function show(rows: readonly Row[]) {
    const drop = (item: string) => {
      titles = titles.filter((other) => other.item !== item);
      said.textContent = '';
      changed();
      field.focus();
    };
    part('tried').replaceChildren(
      ...titles.map(({ item, title }) =>
        element(
          'li',
          { class: 'own', 'data-item': item },
          titleText(title),
          element(
            'span',
            { class: 'landed' },
            whereOf(
              item,
              rows.find(({ ranked }) => ranked.item === item),
            ),
          ),
          element(
            'button',
            { type: 'button', class: 'small', 'aria-label': `Drop ${title}`, onclick: () => drop(item) },
            'Drop',
          ),
        ),
      ),
    );
    const shown = list();
    if (titles.length > 0 && shown && answer && !comparable(shown, answer)) {
      said.textContent = 'Not placed: the scores of this list are of another kind.';
    }
  }

  part('try').addEventListener('submit', (event) => {
    event.preventDefault();
    const title = field.value.trim().replace(/\s+/g, ' ');
    if (title !== '') void add(title);
  });

  return {
    placed,
    show,
    score: () => scoreAll(),
    /** The scores are no longer those of the person shown. */
    forget() {
      scoring.cancel();
      answer = null;
    },
  };
}
