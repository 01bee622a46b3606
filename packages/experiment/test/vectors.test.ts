/** Vectors of a run rank as the run does, are the same in every format, and say which items are alike. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdLookup } from '@crossgate/data';
import { listAdapters } from '@crossgate/gpu/node';
import { parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { writeTinyModel } from '@crossgate/testing/node';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadConfig,
  openLiveRun,
  openRun,
  openSession,
  recommendAll,
  runExperiment,
  type Session,
  similarItems,
  writeVectors,
} from '../src';
import { npyVectors, sqlVectors, type VectorTable } from '../src/batch/vector-formats';
import { quick, shopWith, titles } from './shop';

const adapters = await listAdapters();

/** A row of a Parquet file of vectors. */
interface Row {
  id: string;
  title: string | null;
  kind: 'item' | 'user';
  bias?: number | null;
  vector: number[];
}

/** Values of a .npy file, and its shape. */
function readNpy(bytes: Buffer): { shape: number[]; values: Float32Array } {
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]));
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  const header = bytes.subarray(10, end).toString('latin1');
  const shape = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header)!;
  const body = bytes.subarray(end);
  return {
    shape: shape.slice(1).map(Number),
    values: Float32Array.from({ length: body.length / 4 }, (_, i) => body.readFloatLE(4 * i)),
  };
}

/** What COPY makes of a field of its text format. */
const uncopied = (field: string) =>
  field === '\\N' ? null : field.replace(/\\(.)/g, (_, sign: string) => ({ t: '\t', n: '\n', r: '\r' })[sign] ?? sign);

const table = (vectors: Float32Array, dim: number): VectorTable => ({
  ...{ rows: vectors.length / dim, dim, hasBias: false },
  async *batches() {
    const owners = Array.from({ length: vectors.length / dim }, (_, row) => ({
      ...{ kind: 'item' as const, id: `i${row}`, title: titles[row]!, bias: null },
    }));
    yield { owners, vectors };
  },
});

describe('formats of vectors', () => {
  const values = Float32Array.from({ length: 22 }, (_, i) => Math.sin(i + 1) * 10 ** (2 * (i - 11)));

  it('npy has the header that numpy reads, and the bits', async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of npyVectors(table(values, 2))) pieces.push(piece);
    expect(readNpy(Buffer.concat(pieces))).toEqual({ shape: [11, 2], values });
  });

  it('SQL is one transaction, escapes what titles hold, and its decimals are the same float32', async () => {
    let text = '';
    for await (const piece of sqlVectors(table(values, 2), 'my "t"')) text += piece;
    expect(text).toMatch(/\nBEGIN;\n.*CREATE EXTENSION IF NOT EXISTS vector;\nCREATE TABLE "my ""t""" \(\n/s);
    expect(text).toMatch(
      / vector vector\(2\) NOT NULL,\n.*\nCOPY "my ""t""" \(kind, id, title, vector\) FROM stdin;\n/s,
    );
    expect(text.endsWith('\n\\.\nCOMMIT;\n')).toBe(true);
    const lines = text.split('FROM stdin;\n')[1]!.split('\n\\.\n')[0]!.split('\n');
    expect(lines).toHaveLength(11);
    const rows = lines.map((line) => line.split('\t'));
    expect(rows.map((fields) => fields.slice(0, 3).map(uncopied))).toEqual(
      titles.map((title, i) => ['item', `i${i}`, title]),
    );
    expect(Float32Array.from(rows.flatMap((fields) => JSON.parse(fields[3]!) as number[]))).toEqual(values);
  });
});

describe('a run without CF vectors', () => {
  it('is refused with those that have them', async () => {
    const cwd = await shopWith({ mean: '' });
    await using session = openSession({ cwd });
    await runExperiment(await loadConfig('mean.yaml', { cwd }), session, { run: 'mean' });
    const refused = /^mean: is a run of mean, which has no CF vectors; runs of these have them: .*mf.*, ccf/;
    await expect(similarItems(session, 'mean', { item: 'i1', top: 3 })).rejects.toThrow(refused);
    await expect(writeVectors(session, 'mean', { out: join(cwd, 'x.npy') })).rejects.toThrow(refused);
    await expect(writeVectors(session, 'mean', { out: join(cwd, 'x.bin') })).rejects.toThrow(/ends with none of/);
  });
});

describe.skipIf(adapters.length === 0)('vectors of a run', { timeout: 240_000 }, () => {
  let cwd: string;
  let session: Session;
  const methods = {
    mf: quick('mf', ', mf: { biases: true }'),
    lightgcn: quick('lightgcn'),
    sasrec: quick('sasrec'),
    asvd: quick('asvd'),
    ccf: `${quick('mf')}llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
prompt: { historyLength: 2 }
training: { stage1: &s { rows: 12, batchSize: 4, learningRate: 1e-2 }, stage2: *s }
`,
  };
  const train = async (name: string) => {
    await runExperiment(await loadConfig(`${name}.yaml`, { cwd }), session, { run: name });
  };
  const parquet = async (name: string) =>
    (await parquetReadObjects({ file: await asyncBufferFromFile(join(cwd, name)) })) as unknown as Row[];
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
    // Folders of shopWith end with a test.
    await cp(await shopWith(methods), cwd, { recursive: true });
    await writeTinyModel(join(cwd, 'model'));
    session = openSession({ cwd });
  });
  afterAll(async () => {
    await session.close();
    await rm(cwd, { recursive: true, force: true });
  });

  it.each(['mf', 'lightgcn', 'sasrec', 'asvd'])('%s: dot products and biases rank as recommend does', async (name) => {
    await train(name);
    const out = join(cwd, `${name}.parquet`);
    const written = await writeVectors(session, name, { out, kind: 'both' });
    const usersFrom = name === 'sasrec' || name === 'asvd' ? 'history' : 'training';
    expect(written).toMatchObject({ model: name, dim: 6, items: 9, bias: name === 'mf', usersFrom, ranks: true });
    const rows = await parquet(`${name}.parquet`);
    expect(rows).toHaveLength(written.items + written.users);
    const items = rows.filter(({ kind }) => kind === 'item');
    expect(items.map(({ title }) => title).sort()).toEqual(titles.slice(0, 9).toSorted());
    expect(Object.hasOwn(rows[0]!, 'bias')).toBe(name === 'mf');
    await recommendAll(session, name, { out: join(cwd, `${name}.jsonl`), top: 20 });
    const lists = (await readFile(join(cwd, `${name}.jsonl`), 'utf8')).trimEnd().split('\n');
    const { dataset, scorer } = await openRun(session, name, []);
    let compared = 0;
    for (const line of lists) {
      const list = JSON.parse(line) as { user: string; basis?: string; items: { item: string; score: number }[] };
      const user = rows.find(({ kind, id }) => kind === 'user' && id === list.user);
      expect(user === undefined, list.user).toBe(list.basis === 'popularity');
      const dense = new IdLookup('user', dataset.users, 'shop').find(list.user, '');
      const alone = await scorer.best(dense, { count: 20, candidates: null });
      expect(list.items.map(({ item }) => item)).toEqual(Array.from(alone.items, (item) => dataset.items[item]!.id));
      for (const [rank, { score }] of list.items.entries()) expect(score).toBeCloseTo(alone.scores.score[rank]!, 6);
      if (!user) continue;
      const known = new Set(Array.from(dataset.knownItems(dense), (item) => dataset.items[item]!.id));
      const logits = items
        .filter(({ id }) => !known.has(id))
        .map(({ id, vector, bias }) => ({
          id,
          logit: vector.reduce((sum, value, column) => sum + value * user.vector[column]!, bias ?? 0),
        }))
        .sort((a, b) => b.logit - a.logit);
      expect(list.items.map(({ item }) => item)).toEqual(logits.map(({ id }) => id));
      compared += logits.length;
    }
    expect(compared).toBeGreaterThan(20);
    await scorer.close();
  });

  it('npy and SQL hold the values of Parquet, and ids beside them', async () => {
    const rows = await parquet('mf.parquet');
    const values = Float32Array.from(rows.flatMap(({ vector }) => vector));
    await writeVectors(session, 'mf', { out: join(cwd, 'mf.npy'), kind: 'both' });
    expect(readNpy(await readFile(join(cwd, 'mf.npy')))).toEqual({ shape: [rows.length, 6], values });
    const ids = await readFile(join(cwd, 'mf.npy.ids.csv'), 'utf8');
    expect(ids).toMatch(/^kind,id,title,bias\nitem,/);
    expect(ids).toContain('"Comma, ""quote"""');
    expect(ids.match(/^(item|user),/gm)).toHaveLength(rows.length);
    await writeVectors(session, 'mf', { out: join(cwd, 'mf.sql'), kind: 'both', table: 'mf' });
    const lines = (await readFile(join(cwd, 'mf.sql'), 'utf8')).split('FROM stdin;\n')[1]!.split('\n').slice(0, -3);
    const stored = lines.map((line) => line.split('\t'));
    expect(Float32Array.from(stored.flatMap((fields) => JSON.parse(fields.at(-1)!) as number[]))).toEqual(values);
    expect(stored.map((fields) => uncopied(fields[2]!))).toEqual(rows.map(({ title }) => title));
    expect(stored.map((fields) => uncopied(fields[3]!)).map((bias) => bias && Math.fround(Number(bias)))).toEqual(
      rows.map(({ bias }) => bias),
    );
    expect(await writeVectors(session, 'mf', { out: join(cwd, 'u.parquet'), kind: 'users' })).toMatchObject({
      items: 0,
    });
    expect((await parquet('u.parquet')).every(({ kind }) => kind === 'user')).toBe(true);
  });

  it.each([
    ['lightgcn', 0],
    ['asvd', 2],
  ] as const)('%s: similar gives the cosines, best first', async (name, from) => {
    const items = (await parquet(`${name}.parquet`)).filter(({ kind }) => kind === 'item');
    const own = items.find(({ id }) => id === 'i4')!;
    const dot = (a: number[], b: number[]) => a.slice(from).reduce((sum, value, i) => sum + value * b[i + from]!, 0);
    const expected = items
      .filter(({ id }) => id !== 'i4')
      .map(({ id, title, vector }) => ({
        ...{ item: id, title },
        score: dot(own.vector, vector) / Math.sqrt(dot(own.vector, own.vector) * dot(vector, vector)),
      }))
      .sort((a, b) => b.score - a.score);
    const found = await similarItems(session, name, { item: 'i4', top: 5 });
    expect(found).toMatchObject({ item: 'i4', title: titles[4] });
    expect(found.items.map(({ item, title }) => [item, title])).toEqual(
      expected.slice(0, 5).map(({ item, title }) => [item, title]),
    );
    for (const [rank, { score }] of found.items.entries()) expect(score).toBeCloseTo(expected[rank]!.score, 6);
  });

  it.each(['mf', 'lightgcn', 'sasrec', 'asvd'])('%s: a live run names the same items', async (name) => {
    await using live = await openLiveRun(session, name);
    for (const item of ['i1', 'i4']) {
      const { items } = await similarItems(session, name, { item, top: 20 });
      expect(items).toHaveLength(8);
      expect(await live.similar(item, 20)).toEqual(items.map(({ item: id, score }) => ({ item: id, score })));
    }
  });

  it('refuses an item without train rows, an unknown one, and never lists the first', async () => {
    const of = (item: string) => similarItems(session, 'mf', { item, top: 50 });
    await expect(of('i9')).rejects.toMatchObject({
      code: 'run.not-held',
      message: '--item: item i9 has no train rows, so the run has no vector of it; name an item of the train split',
    });
    await expect(of('i99')).rejects.toThrow(/item "i99" is not among the 11 items/);
    const { items } = await of('i1');
    expect(items.map(({ item }) => item).sort()).toEqual(['i0', 'i2', 'i3', 'i4', 'i5', 'i6', 'i7', 'i8']);
    await expect(similarItems(session, 'mf', { item: 'i1', top: 1, backend: 2 })).rejects.toThrow(/has no CF model 2/);
  });

  it('a run on a language model gives the vectors that it tuned, without loading the model', async () => {
    await train('ccf');
    const loads: string[] = [];
    const watched: Session = {
      ...session,
      model: (path) => {
        loads.push(path);
        return session.model(path);
      },
    };
    const written = await writeVectors(watched, 'ccf', { out: join(cwd, 'ccf.parquet'), kind: 'both' });
    expect(written).toMatchObject({ method: 'ccf', model: 'mf', ranks: false, bias: false });
    expect(loads).toEqual([]);
    const rows = await parquet('ccf.parquet');
    const tables = await Promise.all(
      ['fusion', 'cf'].map(async (file) => {
        const source = await openFile(join(cwd, 'ccf', `${file}.safetensors`));
        const { state } = await parseState(source).finally(() => source.close());
        return state.get('item_embedding.weight')!.data;
      }),
    );
    const { dataset, scorer } = await openRun(session, 'ccf', []);
    await scorer.close();
    for (const { id, vector } of rows.filter(({ kind }) => kind === 'item')) {
      const item = dataset.items.findIndex((other) => other.id === id);
      expect(vector).toEqual([...tables[0]!.subarray(item * 6, item * 6 + 6)]);
    }
    expect(tables[0]).not.toEqual(tables[1]);
    const { items: near } = await similarItems(session, 'ccf', { item: 'i1', top: 2 });
    expect(near).toHaveLength(2);
    await using live = await openLiveRun(session, 'ccf');
    expect(await live.similar('i1', 2)).toEqual(near.map(({ item, score }) => ({ item, score })));
  });
});
