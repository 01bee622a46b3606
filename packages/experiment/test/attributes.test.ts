/** Runs that keep attributes of items: what they learn is the same, lists are filtered before they are cut. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Dataset } from '@crossgate/data';
import { datasetFile, openDatasetFile } from '@crossgate/data/node';
import { writeAtomic } from '@crossgate/files';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { loadConfig, openLiveRun, openSession, recommendAll, runExperiment, type Session } from '../src';

const rows = Array.from({ length: 8 * 12 }, (_, n) => {
  const [user, turn] = [n % 8, Math.floor(n / 8)];
  const item = (user * 5 + turn * 7) % 24;
  return `u${user},i${item},${(user + item) % 2 === 0 ? 1 : 0},${100 + n}`;
});
const kinds = ['Comedy|Drama', 'Drama', '', 'Horror'];
const itemRow = (n: number, price: string | number = n) => `i${n},Thing ${n},${kinds[n % 4]},${price}`;
const items = `item,title,genre,price\n${Array.from({ length: 24 }, (_, n) => itemRow(n, n === 5 ? '' : n)).join('\n')}\n`;
const config = (method: string, attributes: string) => `method: ${method}
data: { name: csv, path: shop, split: { by: time, validFrom: 180, testFrom: 190 }, csv: { implicit: null${attributes} } }
${method === 'mf' ? 'cf: { cfDim: 8, initStd: 0.3, learningRate: 0.05, batchSize: 16, epochs: 4, selectBy: last }' : ''}
`;
const WITH = ', attributes: [genre, price], attributeSeparator: "|"';
const files = {
  'shop/interactions.csv': `user,item,label,timestamp\n${rows.join('\n')}\n`,
  'shop/items.csv': items,
  'mf.yaml': config('mf', WITH),
  'plain.yaml': config('mf', ''),
  'mean.yaml': config('mean', WITH),
};

async function withRuns(names: readonly string[], work: (session: Session, cwd: string) => Promise<void>) {
  const cwd = await folderWith(files);
  await using session = openSession({ cwd });
  for (const name of names) await runExperiment(await loadConfig(`${name}.yaml`, { cwd }), session, { run: name });
  await work(session, cwd);
}

const idsOf = (list: { readonly items: readonly { readonly item: string }[] }) => list.items.map(({ item }) => item);
const genresOf = (id: string) => kinds[Number(id.slice(1)) % 4]!.split('|');

describe('a run with attributes', () => {
  it('learns and predicts bit for bit what it does without, and keeps them', async () => {
    await withRuns(['mf', 'plain'], async (_session, cwd) => {
      for (const name of ['predictions/test.csv', 'predictions/valid.csv', 'cf.safetensors']) {
        expect((await readFile(join(cwd, 'mf', name))).equals(await readFile(join(cwd, 'plain', name))), name).toBe(
          true,
        );
      }
      const [rich, plain] = await Promise.all(['mf', 'plain'].map((run) => openDatasetFile(join(cwd, run, 'data.gz'))));
      expect([rich!.hash, plain!.attributes]).toEqual([plain!.hash, []]);
      expect(rich!.attributes!.map(({ name, type }) => [name, type])).toEqual([
        ['genre', 'text'],
        ['price', 'number'],
      ]);
    });
  });

  it('filters before it cuts, for one user and for all, with added items and newer values', async () => {
    await withRuns(['mf'], async (session, cwd) => {
      await using live = await openLiveRun(session, 'mf');
      const ofHorror = { where: { genre: { any: ['Horror'] } } };
      const whole = await live.recommend({ user: 'u0' }, { top: 99, repeats: 'allow' });
      const list = await live.recommend({ user: 'u0' }, { top: 3, repeats: 'allow', ...ofHorror });
      const horror = idsOf(whole).filter((id) => genresOf(id).includes('Horror'));
      expect(horror.length).toBeGreaterThan(3);
      // The first three of the whole list are not all of this genre.
      expect(idsOf(list)).not.toEqual(idsOf(whole).slice(0, 3));
      expect(list).toEqual({ ...whole, items: whole.items.filter(({ item }) => horror.includes(item)).slice(0, 3) });
      // Without repeats, the filter leaves those that the user does not know.
      expect(idsOf(await live.recommend({ user: 'u0' }, { top: 99, ...ofHorror })).sort()).toEqual([
        'i19',
        'i23',
        'i3',
      ]);
      const cheap = { price: { max: 9 }, genre: { none: ['Horror'] } };
      for (const { item } of (await live.recommend({ history: ['i1'] }, { top: 99, where: cheap })).items) {
        expect(Number(item.slice(1)) <= 9 && !genresOf(item).includes('Horror') && item !== 'i5', item).toBe(true);
      }
      const among = ['i0', 'i1', 'i3', 'i4'];
      const drama = { genre: { all: ['Drama', 'Comedy'] } };
      expect(idsOf(await live.recommend({ user: 'u0' }, { among, where: drama })).sort()).toEqual(['i0', 'i4']);
      // Of whom nothing is known, the popular ones are filtered too.
      const popular = await live.recommend({ history: [] }, { where: drama });
      expect(popular.basis).toBe('popularity');
      expect(idsOf(popular).every((id) => Number(id.slice(1)) % 4 === 0)).toBe(true);
      await expect(live.recommend({ user: 'u0' }, { where: { genres: { any: ['x'] } } })).rejects.toThrow(
        'where.genres: "genres" is no attribute of the items; there are genre, price',
      );
      const out = join(cwd, 'lists.jsonl');
      await recommendAll(session, 'mf', { out, top: 3, repeats: 'allow', where: () => ofHorror.where });
      const lines = (await readFile(out, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(idsOf(lines[0])).toEqual(idsOf(list));
      expect(lines).toHaveLength(8);

      live.addItems([{ id: 'n', title: 'New', attributes: { genre: ['Saga'] } }]);
      expect([live.attributesOf('n'), live.attributesOf('i5')]).toEqual([{ genre: ['Saga'] }, { genre: ['Drama'] }]);
      const saga = { genre: { any: ['Saga'] } };
      expect(idsOf(await live.recommend({ history: ['i1'] }, { among: ['n', 'i0'], where: saga }))).toEqual(['n']);
      live.addItems([{ id: 'i0', title: 'Thing 0', attributes: { price: 1000 } }]);
      expect(live.attributesOf('i0')).toEqual({ genre: ['Comedy', 'Drama'], price: 1000 });
      expect(live.attributeValues()).toMatchObject([
        { values: expect.arrayContaining([{ value: 'Saga', items: 1 }]) },
        { min: 1, max: 1000 },
      ]);
      const wrong = [
        { id: 'm', title: 'More' },
        { id: 'i1', title: 'Thing 1', attributes: { price: ['dear'] } },
      ];
      expect(() => live.addItems(wrong)).toThrow('item i1.price: must be a number, not texts');
      expect(live.item('m')).toBeUndefined();
    });
  });

  it('reads attributes of new items from files, in the form of its own data', async () => {
    await withRuns(['mf'], async (session, cwd) => {
      const newer = 'id,title,price,genre\nn,New,7,Saga| Drama\ni1,Thing 1,-1,\ni1,Thing 1,,War\nm,More,,\n';
      await writeFile(join(cwd, 'new.csv'), newer);
      await using live = await openLiveRun(session, 'mf', { files: { items: 'new.csv' } });
      expect(['n', 'i1', 'm'].map((id) => live.attributesOf(id))).toEqual([
        { genre: ['Saga', 'Drama'], price: 7 },
        { genre: ['War'], price: -1 },
        {},
      ]);
      await writeFile(join(cwd, 'new.csv'), 'id,title,price\nn,New,dear\n');
      await expect(openLiveRun(session, 'mf', { files: { items: 'new.csv' } })).rejects.toThrow(
        /new\.csv:2: price must be a number, got "dear"/,
      );
      // The run's own CSV grown: titles and attributes lie beside the events.
      await writeFile(join(cwd, 'shop/items.csv'), `${items}z,Zebra,Saga,3\n`);
      await writeFile(join(cwd, 'shop/new.csv'), 'user,item,label,timestamp\nu0,z,1,5000\n');
      await using grown = await openLiveRun(session, 'mf', { files: { events: 'shop/new.csv' } });
      expect(grown.attributesOf('z')).toEqual({ genre: ['Saga'], price: 3 });
    });
  });

  it('filters the lists of a baseline, whose parts know their filter', async () => {
    await withRuns(['mean'], async (session, cwd) => {
      const out = join(cwd, 'lists.jsonl');
      const where = () => ({ price: { min: 20 } });
      const counts = await recommendAll(session, 'mean', { out, top: 2, where });
      const lines = (await readFile(out, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.flatMap(idsOf).every((id) => Number(id.slice(1)) >= 20)).toBe(true);
      expect(counts.rows).toBe(lines.flatMap(idsOf).length);
      expect(counts.rows).toBeGreaterThan(8);
      const stop = new AbortController();
      const progress = { start: () => ({ update: (done: number) => void (done >= 2 && stop.abort()), finish() {} }) };
      await using stopped = openSession({ cwd, progress, signal: stop.signal });
      await expect(recommendAll(stopped, 'mean', { out, top: 2, where })).rejects.toThrow(/2 of 8 users are kept/);
      await expect(recommendAll(session, 'mean', { out, top: 2 })).rejects.toThrow(
        'was begun with where {"price":{"min":20}}, and now it is none',
      );
      expect(await recommendAll(session, 'mean', { out, top: 2, where })).toMatchObject({ rows: counts.rows });
    });
  });

  it('says of a run of an earlier version why it cannot filter, and how it can', async () => {
    await withRuns(['mf'], async (session, cwd) => {
      const path = join(cwd, 'mf/data.gz');
      await writeAtomic(path, datasetFile(new Dataset({ ...(await openDatasetFile(path)), attributes: null })));
      await using live = await openLiveRun(session, 'mf');
      expect([live.attributes, live.attributesOf('i0'), live.attributeValues()]).toEqual([null, {}, []]);
      expect(idsOf(await live.recommend({ user: 'u0' }, { top: 3, where: {} }))).toHaveLength(3);
      await expect(live.recommend({ user: 'u0' }, { where: { genre: { any: ['Drama'] } } })).rejects.toThrow(
        'where.genre: the data were kept without attributes of items, by a version that knew none; ' +
          'read them from the source again: --set data.path=DIR',
      );
      await writeFile(join(cwd, 'new.csv'), 'id,title,genre\nn,New,Saga\n');
      await using newer = await openLiveRun(session, 'mf', { files: { items: 'new.csv' } });
      expect(newer.item('n')).toBeDefined();
      await using again = await openLiveRun(session, 'mf', { set: ['data.path=shop'] });
      expect(again.attributes).toHaveLength(2);
    });
  });
});
