/** The page: a person, the person's history, the list that follows from it, and titles that are tried in it. */
import { ApiError, type Basis, createApi, type List } from './api';
import { combobox } from './combobox';
import { element, part } from './dom';
import { filterInWords, offerFilter, whereChosen } from './filter';
import { counted, duration } from './format';
import { showEntries } from './history-view';
import { Latest } from './latest';
import { showAwaited, showRows } from './list-view';
import { clearNotices, endProgress, showDegraded, showError, startProgress } from './notices';
import {
  type Entry,
  flipEntry,
  isCfOrder,
  isChanged,
  movements,
  openPerson,
  type Person,
  placeTitles,
  queryOf,
  undo,
  withEntry,
  withoutEntry,
} from './person';
import { setShortcuts } from './shortcuts';
import { askToken, forgetToken, token } from './token';
import { createTryout } from './tryout';

/** Rows shown at first, and asked for: explaining costs the server a score for each item of the history and row. */
const first = 10;
const asked = 50;
/** Milliseconds that a change waits for the next one before the server is asked. */
const patience = 120;

const user = part<HTMLInputElement>('user');
const itemField = part<HTMLInputElement>('item');
const titleField = part<HTMLInputElement>('title');
const explain = part<HTMLInputElement>('explain');
const filter = part<HTMLSelectElement>('filter');
const entries = part('entries');
const status = part('status');

let person: Person = openPerson(null, []);
let list: List | null = null;
/** Whether the list ends because nothing more can be recommended. */
let isWhole = false;
/** Order of the list before the last change, while it is still the same person's. */
let before: readonly string[] = [];
let moved: ReadonlyMap<string, number | 'new'> = new Map();
let showAll = false;
let showAllEntries = false;
/** Items added on this page, by id: marked, since the server did not send them. */
let added = new Set<string>();
const opening = new Latest();
const listing = new Latest();

const api = createApi({
  token,
  async askToken(refused) {
    const given = await askToken(refused);
    part('forget').hidden = token() === null;
    return given;
  },
  onBusy(seconds) {
    status.textContent = `The server is busy. Asking again in ${counted(seconds, 'second')}.`;
  },
});

const tryout = createTryout({ api, query: () => queryOf(person), list: () => list, changed: showList });

// People

/** Opens a user by id, or somebody new. */
async function open(id: string | null) {
  const signal = opening.next();
  try {
    const found = id === null ? { events: [] } : await api.user(id, signal);
    if (signal.aborted) return;
    person = openPerson(id, found.events);
  } catch (error) {
    if (signal.aborted) return;
    const unknown = error instanceof ApiError && error.status === 404;
    showError(unknown ? new Error(`The run knows no user ${id}. Pick one of the suggestions.`) : error, () => open(id));
    if (unknown) user.select();
    return;
  }
  user.value = id ?? '';
  document.title = `${id === null ? 'Somebody new' : `User ${id}`} · Crossgate`;
  before = [];
  added = new Set();
  showAll = showAllEntries = false;
  showHistory();
  // Nothing of the list of somebody else stays under this person's name.
  list = null;
  tryout.forget();
  part('list-title').textContent = `Recommendations for ${id === null ? 'somebody new' : `user ${id}`}`;
  part('basis').textContent = '';
  part('more').replaceChildren();
  showAwaited(part('items'), first);
  await refresh(null);
}

/** Goes to a person by the address, so that the browser's Back comes back. */
function go(id: string | null) {
  const hash = id === null ? '#new' : `#user=${encodeURIComponent(id)}`;
  if (location.hash === hash) void open(id);
  else location.hash = hash;
}

/** The person of the address; undefined: it names none. */
function personOfAddress(): string | null | undefined {
  if (location.hash === '#new') return null;
  const value = /^#user=(.+)$/.exec(location.hash)?.[1];
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

/** Says what is served, and closes what the run cannot do. */
async function introduce() {
  const { method, parts, model } = await api.ready();
  part('model').textContent = `Method ${method} · model ${model}`;
  part('try-form').hidden = !parts.llm;
  part('try-without').hidden = parts.llm;
}

async function begin() {
  introduce().catch(() => {
    part('model').textContent = 'The server does not say what it serves.';
  });
  api
    .attributes()
    .then(({ attributes }) => offerFilter(attributes))
    .catch(() => {
      part('filter-said').textContent = 'The attributes of the items did not come, so there is no filter.';
    });
  const named = personOfAddress();
  if (named !== undefined) return open(named);
  try {
    const { users } = await api.users('', 1);
    await open(users[0] ?? null);
  } catch (error) {
    showError(error, begin);
  }
}

// The history

/** Takes a changed history, says what was done, and asks for the list that follows from it. */
function change(next: Person, deed: string) {
  person = next;
  showHistory();
  status.textContent = deed;
  void refresh(deed);
}

function addEntry({ item, title, label }: Entry) {
  added.add(item);
  change(withEntry(person, { item, title, label }), `${label === 1 ? 'Liked' : 'Disliked'} ${title}.`);
}

function undoChange() {
  if (person.past.length > 0) change(undo(person), 'Undone.');
}

function showHistory() {
  const most = showAllEntries ? Number.POSITIVE_INFINITY : matchMedia('(max-width: 60rem)').matches ? 6 : 60;
  const { entries: all } = person;
  showEntries(
    entries,
    {
      entries: all,
      added,
      most,
      flip(index) {
        const { title, label } = all[index]!;
        change(flipEntry(person, index), `${title} is now ${label === 1 ? 'disliked' : 'liked'}.`);
      },
      remove: (index) => change(withoutEntry(person, index), `Removed ${all[index]!.title}.`),
    },
    itemField,
  );
  const likes = all.filter(({ label }) => label === 1).length;
  const dislikes = all.length - likes;
  part('history-count').textContent =
    all.length === 0 ? '' : `${counted(likes, 'like')}${dislikes > 0 ? `, ${counted(dislikes, 'dislike')}` : ''}`;
  part('jump').textContent = `History (${all.length})`;
  part('history-back').hidden = person.past.length === 0;
  part('restore').hidden = !isChanged(person) || person.user === null;
  const note = part('history-note');
  note.hidden = all.length > 0 && !(isChanged(person) && person.user !== null);
  note.textContent =
    all.length === 0
      ? 'Nothing here yet. Add an item above, or like one in the list.'
      : 'Changed on this page alone: nothing is saved. The list goes by the history shown.';
  part('all-entries').replaceChildren(
    ...(all.length > most
      ? [
          element(
            'button',
            {
              type: 'button',
              class: 'small',
              onclick() {
                showAllEntries = true;
                showHistory();
                entries.querySelectorAll<HTMLElement>('[data-act=flip]')[most]?.focus();
              },
            },
            `Show all ${all.length}`,
          ),
        ]
      : []),
  );
}

// The list

/**
 * Asks for the list of the person as it is now; `deed`: the change that led to it, or null; `words`: what else is said
 * once the list is there.
 */
async function refresh(deed: string | null, words: string | null = null) {
  const signal = listing.next();
  startProgress();
  try {
    if (deed !== null) await new Promise((resolve) => setTimeout(resolve, patience));
    if (signal.aborted) return;
    const exclude = person.entries.filter(({ label }) => label === 0).map(({ item }) => item);
    const top = explain.checked ? first : asked;
    const where = whereChosen();
    const query = { top, exclude, explain: explain.checked, ...(where && { where }) };
    const answer = await api.recommend(queryOf(person), query, signal);
    if (signal.aborted) return;
    list = answer;
    isWhole = answer.items.length < top;
    tryout.forget();
    const order = answer.items.map(({ item }) => item);
    moved = deed === null || before.length === 0 ? new Map() : movements(before, order);
    before = order;
    if (answer.degraded) showDegraded(isCfOrder(answer), () => refresh(null));
    else clearNotices();
    showList();
    status.textContent = [deed, deed === null ? words : whatMoved()].filter(Boolean).join(' ');
  } catch (error) {
    if (signal.aborted) return;
    part('items').classList.add('stale');
    for (const row of part('items').querySelectorAll('.leaving')) row.classList.remove('leaving');
    status.textContent = '';
    part('basis').textContent = '';
    showError(error, () => refresh(deed));
    return;
  } finally {
    if (!signal.aborted) endProgress();
  }
  await tryout.score();
}

/** How the first rows changed, in words. */
function whatMoved(): string {
  const top = list?.items.slice(0, first) ?? [];
  const fresh = top.filter(({ item }, i) => {
    const by = moved.get(item);
    return by === 'new' || (by !== undefined && i + by >= first);
  }).length;
  const same = top.every(({ item }) => moved.get(item) === 0);
  if (same) return `The first ${top.length} stay as they were.`;
  return `${fresh > 0 ? `${fresh} new among the first ${top.length}` : 'The order changed'}; now first: ${top[0]?.title}.`;
}

const basisText: Record<Basis, string> = {
  user: 'By what the training learned of this user',
  'folded-in': 'By a vector solved for the history shown',
  history: 'By the history shown',
  popularity: 'Nothing to go by: the most popular items, the same for everybody',
};

function showList() {
  if (!list) return;
  const { items, basis, took } = list;
  part('basis').textContent = `${basisText[basis]} · ${duration(took)}`;
  const rows = placeTitles(items, tryout.placed(list), isWhole);
  const shown = rows.filter(({ own }, i) => showAll || own || i < first);
  const beyond = `below the first ${items.length}`;
  part('items').classList.remove('stale');
  showRows(part('items'), {
    rows: shown,
    moved,
    basis,
    beyond,
    judge: (ranked, label) => addEntry({ ...ranked, label }),
  });
  const words = showAll ? `Show the first ${first}` : `Show ${items.length}`;
  part('more').replaceChildren(
    items.length === 0
      ? element('p', { class: 'soft' }, 'Nothing is left to recommend.')
      : items.length > first
        ? element('button', { type: 'button', id: 'more-button', onclick: toggleAll }, words)
        : '',
  );
  tryout.show(rows);
}

function toggleAll() {
  showAll = !showAll;
  showList();
  part('more-button').focus();
}

// Fields, buttons, keys

combobox({
  input: user,
  list: part('user-options'),
  name: 'Users',
  async search(query, signal) {
    // The field shows the person of the list: opened anew, it suggests everybody.
    const { users } = await api.users(query === person.user ? '' : query, 12, signal);
    return users.map((id) => ({ value: id, label: id }));
  },
  pick: ({ value }) => go(value),
  enter: go,
  fail: (error) => showError(error, () => user.focus()),
});
user.addEventListener('focus', () => user.select());

combobox({
  input: itemField,
  list: part('item-options'),
  name: 'Items',
  async search(query, signal) {
    const { items } = await api.items(query, 12, signal);
    const have = new Set(person.entries.map(({ item }) => item));
    return items.map(({ item, title }) => ({
      value: item,
      label: title,
      ...(have.has(item) && { detail: 'in the history' }),
    }));
  },
  pick({ value, label }) {
    itemField.value = '';
    addEntry({ item: value, title: label, label: 1 });
  },
  fail: (error) => showError(error, () => itemField.focus()),
});

part('anybody').addEventListener('click', () => go(null));
part('undo').addEventListener('click', undoChange);
part('restore').addEventListener('click', () => {
  change({ ...person, past: [...person.past, person.entries], entries: person.saved }, 'Restored.');
  part('history-title').focus();
});
part('jump').addEventListener('click', () => part('history-title').focus());
part('forget').addEventListener('click', () => {
  forgetToken();
  part('forget').hidden = true;
  status.textContent = 'The token is forgotten.';
});
explain.addEventListener('change', () => refresh(null));
filter.addEventListener('change', () => refresh(null, filterInWords()));
addEventListener('hashchange', () => {
  const named = personOfAddress();
  if (named !== undefined) void open(named);
});
setShortcuts([
  { key: 'u', says: 'Pick a user', run: () => user.focus() },
  { key: 'n', says: 'Somebody new', run: () => go(null) },
  { key: 'a', says: 'Add an item to the history', run: () => itemField.focus() },
  { key: 't', says: 'Try a new title', run: () => titleField.focus() },
  { key: 'l', says: 'Go to the list', run: () => part('items').querySelector<HTMLElement>('button')?.focus() },
  { key: 'h', says: 'Go to the history', run: () => entries.querySelector<HTMLElement>('button')?.focus() },
  { key: 'f', says: 'Filter the list', run: () => filter.focus() },
  { key: 'e', says: 'Explain, or stop explaining', run: () => explain.click() },
  { key: 'z', says: 'Undo the last change', run: undoChange },
  { key: 'r', says: 'Ask for the list again', run: () => refresh(null) },
]);
part('forget').hidden = token() === null;
void begin();
