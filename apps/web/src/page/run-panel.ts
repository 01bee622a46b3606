/** The panel of a run: opens it, asks for lists, shows what moved each score. */
import { type Running, start } from './client';
import { type Dropped, dropZone, pickedFolder, takeFiles } from './files';
import { Panel } from './panel';
import type { Folder, List, Listing, Place, Recommended, RunSummary } from './protocol';
import { barElement, combobox, counted, duration, element, part, reasonsElement, titleText } from './shared';

const panel = new Panel('run');
const [drop, ask, items, user] = [part('drop'), part('ask'), part('items'), part<HTMLInputElement>('user')];
const explain = part<HTMLInputElement>('explain');

/** Folders that were picked or dropped so far. */
const picked: { run: Folder | null; model: Folder | null } = { run: null, model: null };
/** What the server shows. */
let served: { run: Listing; model: Listing | null } | null = null;
let shown = '';
let asking: Running<'recommend'> | undefined;

/** Starts the panel. @param isUsable whether there is a GPU */
export async function startRunPanel(isUsable: boolean): Promise<void> {
  served = await readServed();
  const button = part<HTMLButtonElement>('open-served');
  const fields = [part<HTMLInputElement>('run-folder'), part<HTMLInputElement>('model-folder')];
  for (const control of [button, ...fields]) control.disabled = !isUsable;
  part('none-served').hidden = served !== null;
  if (served) {
    button.hidden = false;
    button.textContent = `Open ${served.run.name}`;
    button.addEventListener('click', () => open({ kind: 'served', ...served! }));
  }
  const [runField, modelField] = fields as [HTMLInputElement, HTMLInputElement];
  runField.addEventListener('change', () => take([{ ...pickedFolder(takeFiles(runField)), isFolder: true }]));
  modelField.addEventListener('change', () => take([{ ...pickedFolder(takeFiles(modelField)), isFolder: true }]));
  if (isUsable) dropZone(drop, take);
  explain.addEventListener('change', () => void refresh());
  combobox({
    input: user,
    list: part('user-options'),
    name: 'Users',
    search: async (query) => (await start('findUsers', query).done).map((id) => ({ value: id, label: id })),
    pick: ({ value }) => choose(value),
    enter: choose,
    fail: (error) => panel.warn((error as Error).message),
  });
  const forget = part<HTMLButtonElement>('forget');
  forget.addEventListener('click', async () => {
    await panel.during(() => start('forget', null).done);
    forget.hidden = true;
    panel.say('The browser keeps no file of this page any more.');
  });
}

/** What the server of the page shows; null where it shows nothing, or the page lies on a plain server. */
async function readServed(): Promise<{ run: Listing; model: Listing | null } | null> {
  const response = await fetch('served/index.json').catch(() => null);
  const isJson = response?.ok && response.headers.get('content-type')?.startsWith('application/json');
  const listing = isJson ? ((await response.json()) as { run: Listing | null; model: Listing | null }) : null;
  // Absolute: the worker lies elsewhere than the page.
  const placed = (folder: Listing) => ({ ...folder, url: new URL(folder.url, location.href).href });
  return listing?.run ? { run: placed(listing.run), model: listing.model && placed(listing.model) } : null;
}

/** Takes folders of a run and of a model, in any order; the run is opened once what it needs is there. */
function take(dropped: readonly Dropped[]): void {
  const before = { ...picked };
  for (const { name, files, isFolder } of dropped) {
    const names = [...files.keys()];
    if (names.includes('config.yaml')) picked.run = { name, files };
    else if (names.includes('config.json') || names.some((file) => file.endsWith('.gguf'))) {
      picked.model = { name: isFolder ? name : 'model', files };
    } else {
      panel.warn(
        `${name} is neither the folder of a run (with config.yaml) nor of a language model (with config.json)`,
      );
    }
  }
  const said = [
    ...(picked.run ? [`run: ${picked.run.name}`] : []),
    ...(picked.model ? [`model: ${picked.model.name}`] : []),
  ];
  part('picked').textContent = said.join(' · ');
  const isNew = picked.run !== before.run || picked.model !== before.model;
  if (picked.run && isNew) void open({ kind: 'files', run: picked.run, model: picked.model });
}

async function open(place: Place): Promise<void> {
  ask.hidden = true;
  asking?.stop();
  const button = part<HTMLButtonElement>('open-served');
  button.disabled = true;
  const summary = await panel.during(() => start('open', place, (note) => panel.progress(note)).done);
  button.disabled = false;
  if (place.kind === 'served') part('forget').hidden = false;
  if (!summary) return;
  drop.classList.add('small');
  describe(summary);
  ask.hidden = false;
  items.replaceChildren();
  part('likes').textContent = '';
  if (summary.firstUser !== null) choose(summary.firstUser);
}

function describe({ name, method, users, items: count, testAuc, testRows, seconds }: RunSummary): void {
  const auc = testAuc === null ? '' : `, AUC ${testAuc.toFixed(4)} on ${counted(testRows, 'test row')}`;
  part('run-facts').textContent = `${name} · ${method} · ${counted(users, 'user')} · ${counted(count, 'item')}${auc}`;
  panel.say(`Open after ${duration(1000 * seconds)}.`);
}

function choose(id: string): void {
  user.value = id;
  shown = id;
  void refresh();
}

/** Asks for the list of the shown user; a newer question ends the one before. */
async function refresh(): Promise<void> {
  if (shown === '') return;
  asking?.stop();
  const job = start('recommend', { user: shown, explain: explain.checked }, (note) => {
    if (asking === job) panel.progress(note);
  });
  asking = job;
  items.classList.add('stale');
  const list = await panel.during(() => job.done);
  if (asking !== job) return;
  items.classList.remove('stale');
  if (list) show(list);
}

const bases: Readonly<Record<List['basis'], string>> = {
  user: 'what the run learned of this user',
  'folded-in': 'a vector solved for this user',
  history: 'the history of this user',
  popularity: 'popularity alone: the run knows nothing of this user',
};

function show({ items: rows, basis, history, seconds }: List): void {
  part('likes').textContent = history.length > 0 ? `Liked last: ${history.join(' · ')}` : 'No likes are known.';
  const hasBoth = rows.some(({ cf }) => cf !== null) && rows.some(({ llm }) => llm !== null);
  const isCount = basis === 'popularity';
  const full = isCount ? Math.max(1, ...rows.map(({ score }) => score)) : 1;
  items.replaceChildren(...rows.map((row, index) => rowElement(row, index + 1, hasBoth, isCount, full)));
  panel.say(`${counted(rows.length, 'item')} by ${bases[basis]}, after ${duration(1000 * seconds)}.`);
}

function rowElement(row: Recommended, place: number, hasBoth: boolean, isCount: boolean, full: number): HTMLElement {
  const { title, score, cf, llm, reasons, item } = row;
  const only = isCount ? 'Users' : llm !== null ? 'LLM' : 'CF';
  const bars = [
    barElement({ name: hasBoth ? 'Fused' : only, kind: 'fused', value: score }, full, isCount),
    ...(hasBoth ? [barElement({ name: 'CF', kind: 'cf', value: cf }, full, isCount)] : []),
  ];
  return element(
    'li',
    { 'data-item': item, 'data-score': score },
    element('div', { class: 'place' }, element('span', { class: 'number' }, String(place))),
    element('div', { class: 'what' }, titleText(title, 'h3')),
    element('dl', { class: 'bars' }, ...bars),
    reasons ? reasonsElement(reasons) : null,
  );
}
