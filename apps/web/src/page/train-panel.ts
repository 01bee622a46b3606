/** The panel of a training: takes a CSV file, asks what its columns are, draws the curve, recommends. */
import sampleEvents from '../../../../docs/shop/interactions.csv?raw';
import sampleTitles from '../../../../docs/shop/items.csv?raw';
import { type Running, start } from './client';
import { drawCurve } from './curve';
import { dropZone, takeFiles } from './files';
import { Panel } from './panel';
import type { Columns, Epoch, Trained } from './protocol';
import { combobox, count, counted, duration, element, part, titleText } from './shared';

const panel = new Panel('train');
const form = part<HTMLFormElement>('columns');
const select = (name: 'user' | 'item' | 'rating' | 'timestamp') => part<HTMLSelectElement>(`column-${name}`);
const threshold = part<HTMLInputElement>('threshold');
const [train, stop] = [part<HTMLButtonElement>('train'), part<HTMLButtonElement>('stop-training')];

/** The files that will be trained on, and what their columns are. */
let chosen: { events: File; titles: File | null; columns: Columns } | undefined;
let running: Running<'train'> | undefined;

/** Starts the panel. @param isUsable whether there is a GPU */
export function startTrainPanel(isUsable: boolean): void {
  const field = part<HTMLInputElement>('csv');
  const sample = part<HTMLButtonElement>('sample');
  for (const control of [field, sample]) control.disabled = !isUsable;
  field.addEventListener('change', () => void take(takeFiles(field)));
  if (isUsable) dropZone(part('drop-csv'), (dropped) => void take(dropped.flatMap(({ files }) => [...files.values()])));
  sample.addEventListener('click', () => {
    void take([new File([sampleEvents], 'interactions.csv'), new File([sampleTitles], 'items.csv')]);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void runTraining();
  });
  stop.addEventListener('click', () => running?.stop());
  select('rating').addEventListener('change', showThreshold);
  combobox({
    input: part<HTMLInputElement>('trained-user'),
    list: part('trained-user-options'),
    name: 'Users of the file',
    search: async (query) => (await start('trainedUsers', query).done).map((id) => ({ value: id, label: id })),
    pick: ({ value }) => void recommend(value),
    enter: (text) => void recommend(text),
    fail: (error) => panel.warn((error as Error).message),
  });
}

/** Takes one file of events, or one with a file of titles: the one without users. */
async function take(files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  form.hidden = true;
  const found = await panel.during(async () => {
    const surveyed = await Promise.all(
      files.map(async (file) => ({ file, columns: await start('columns', file).done })),
    );
    const events = surveyed.find(({ columns }) => columns.user !== null) ?? surveyed[0]!;
    return { events, titles: surveyed.find((other) => other !== events)?.file ?? null };
  });
  if (!found) return;
  const { columns, file } = found.events;
  chosen = { events: file, titles: found.titles, columns };
  const options = (names: readonly string[], wanted: string | null, none?: string) => [
    ...(none === undefined ? [] : [element('option', { value: '', selected: wanted === null }, none)]),
    ...names.map((name) => element('option', { value: name, selected: name === wanted }, name)),
  ];
  select('user').replaceChildren(...options(columns.names, columns.user));
  select('item').replaceChildren(...options(columns.names, columns.item));
  select('rating').replaceChildren(...options(columns.names, columns.rating, 'none: every row is liked'));
  select('timestamp').replaceChildren(...options(columns.names, columns.timestamp, 'none'));
  threshold.value = columns.threshold === null ? '' : String(columns.threshold);
  showThreshold();
  form.hidden = false;
  const titles = found.titles ? `, titles in ${found.titles.name}` : '';
  panel.say(`${file.name}: ${counted(columns.rows, 'row')}${titles}.`);
}

/** A column of ratings has a threshold; one of 0 and 1, or none, has not. */
function showThreshold(): void {
  const isOther = select('rating').value !== (chosen?.columns.rating ?? '');
  const has = select('rating').value !== '' && (isOther || chosen?.columns.threshold !== null);
  threshold.disabled = !has;
}

async function runTraining(): Promise<void> {
  if (!chosen) return;
  const above = Number(threshold.value.replace(',', '.'));
  if (!threshold.disabled && (threshold.value.trim() === '' || !Number.isFinite(above))) {
    panel.warn('say above which number a row is a like');
    threshold.focus();
    return;
  }
  const epochs: Epoch[] = [];
  const rating = select('rating').value || null;
  const measure = rating === null ? 'NDCG@10' : 'AUC';
  const input = {
    ...{ events: chosen.events, titles: chosen.titles, separator: chosen.columns.separator },
    ...{ user: select('user').value, item: select('item').value, rating },
    ...{ timestamp: select('timestamp').value || null, threshold: threshold.disabled ? null : above },
  };
  part('suggest').hidden = true;
  drawCurve(part('curve'), [], measure);
  train.disabled = true;
  stop.hidden = false;
  const done = await panel.during(() => {
    running = start('train', input, (epoch) => {
      epochs.push(epoch);
      drawCurve(part('curve'), epochs, measure);
      panel.progress({ label: 'training', done: epoch.epoch, total: epoch.epochs });
    });
    return running.done;
  });
  running = undefined;
  train.disabled = false;
  stop.hidden = true;
  if (done) await showTrained(done);
}

async function showTrained(trained: Trained): Promise<void> {
  const { measure, test, testRows, users, items, trainRows, epochs, bestEpoch, seconds, warnings } = trained;
  const result = test === null ? '' : ` ${measure} ${test.toFixed(4)} on ${counted(testRows, 'test row')}.`;
  panel.say(
    `${counted(users, 'user')}, ${counted(items, 'item')}, ${count(trainRows)} train rows; ` +
      `epoch ${bestEpoch} of ${epochs} is kept, after ${duration(1000 * seconds)}.${result}`,
  );
  for (const warning of warnings) panel.warn(warning, false);
  part('suggest').hidden = false;
  const [first] = await start('trainedUsers', '').done;
  if (first !== undefined) await recommend(first);
}

async function recommend(user: string): Promise<void> {
  part<HTMLInputElement>('trained-user').value = user;
  const list = await panel.during(() => start('suggest', user).done);
  if (list?.length === 0) panel.warn('this user has rows with every item', false);
  const rows = (list ?? []).map(({ item, title, score }) =>
    element('li', { 'data-item': item, 'data-score': score }, titleText(title)),
  );
  part('suggestions').replaceChildren(...rows);
  part('suggestions').dataset.user = user;
}
