/** predict and recommend: the scores of a run again, for any pairs and for all items of a user. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './cli';
import { tinyRuns } from './tiny-runs';

const adapters = await listAdapters();

/** A folder for all tests of a group: those of `folderWith` end with each test. */
async function sharedFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
  shared.push(folder);
  return folder;
}
const shared: string[] = [];
afterAll(async () => {
  for (const folder of shared) await rm(folder, { recursive: true, force: true });
});

/** Rows of a CSV as objects. */
async function csv(path: string): Promise<Record<string, string>[]> {
  const [header, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const names = header!.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i]!, value])));
}

async function run(cwd: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  expect(code, stderr).toBe(0);
  return stdout;
}

/** Scores pairs by a run. */
async function predict(cwd: string, name: string, pairs: readonly { user: string; item: string }[]) {
  await writeFile(join(cwd, 'pairs.csv'), `item,user\n${pairs.map(({ user, item }) => `${item},${user}\n`).join('')}`);
  const text = await run(cwd, 'predict', name, '--pairs', 'pairs.csv', '--out', 'scores.csv', '--json');
  return { counts: JSON.parse(text) as Record<string, unknown>, rows: await csv(join(cwd, 'scores.csv')) };
}

const recommend = async (cwd: string, name: string, ...argv: string[]) =>
  JSON.parse(await run(cwd, 'recommend', name, ...argv, '--json')) as {
    user: string;
    items: { item: string; title: string; score: number }[];
  };

/** The rows of a run's predictions, scored again, whatever their order. */
async function expectSameScores(cwd: string, name: string, digits: number): Promise<void> {
  const stored = await csv(join(cwd, name, 'predictions', 'test.csv'));
  const pairs = stored.map(({ user, item }) => ({ user: user!, item: item! })).reverse();
  const { counts, rows } = await predict(cwd, name, pairs);
  const warm = stored.filter(({ seen }) => seen === '1').length;
  expect(counts).toMatchObject({ rows: pairs.length, known: pairs.length, warm, cold: pairs.length - warm });
  expect(rows.map(({ user, item }) => ({ user, item }))).toEqual(pairs);
  for (const [i, { score }] of rows.reverse().entries()) {
    expect(Number(score), `${name}, row ${i}`).toBeCloseTo(Number(stored[i]!.score), digits);
  }
  expect(new Set(rows.map(({ score }) => score)).size).toBeGreaterThan(3);
}

describe('a baseline', () => {
  let cwd: string;
  const methods = ['item-mean', 'mean', 'running-mean'];
  beforeAll(async () => {
    cwd = await sharedFolder();
    for (const [name, text] of Object.entries(inventedMl1m(14, 9))) {
      await mkdir(dirname(join(cwd, name)), { recursive: true });
      await writeFile(join(cwd, name), text);
    }
    for (const method of methods) {
      await writeFile(join(cwd, `${method}.yaml`), `method: ${method}\ndata: { path: ml-1m }\n`);
      await run(cwd, 'train', `${method}.yaml`, '--run', method);
    }
  });

  it.each(methods)('%s scores rows as its run did', (method) => expectSameScores(cwd, method, 12));

  it('recommends best first, and what the user knows where repeats are allowed', async () => {
    const { user, items } = await recommend(cwd, 'mean', '--user', '3', '--top', '4', '--repeats', 'allow');
    expect(user).toBe('3');
    expect(items).toHaveLength(4);
    const scores = items.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const ratings = (await readFile(join(cwd, 'ml-1m', 'ratings.dat'), 'latin1')).trimEnd().split('\n');
    const own = ratings.map((line) => line.split('::')).filter(([id]) => id === '3');
    const liked = new Set(own.filter(([, , rating]) => Number(rating) > 3).map(([, item]) => item));
    expect([liked.size > 0, own.length > liked.size]).toEqual([true, true]);
    // User 3 has rated every item, some of them low.
    expect((await recommend(cwd, 'mean', '--user', '3')).items).toEqual([]);
    const given = [...liked].slice(0, 2) as string[];
    await writeFile(join(cwd, 'few.txt'), `${given.join('\n')}\n${given[0]}\n`);
    await writeFile(join(cwd, 'few.csv'), `title,item\n${given.map((item) => `x,${item}\n`).join('')}`);
    for (const file of ['few.txt', 'few.csv']) {
      const chosen = await recommend(cwd, 'mean', '--user', '3', '--candidates', file);
      expect(chosen.items.map(({ item }) => item).sort()).toEqual(given.sort());
    }
  });

  it.each([
    [
      ['recommend', 'mean', '--user', '99'],
      /--user: user "99" is not among the 14 users of ml-1m \(did you mean 9\?\)/,
    ],
    [['recommend', 'nothing', '--user', '1'], /nothing: run not found/],
    [['recommend', 'ml-1m', '--user', '1'], /ml-1m: is not a run/],
    [['recommend', 'mean', '--user', '1', '--top', '0'], /whole number from 1/],
    [
      ['recommend', 'mean', '--user', '1', '--candidates', 'bad.txt'],
      /bad\.txt:2: item "777" is not among the 9 items/,
    ],
    [['recommend', 'mean', '--user', '1', '--candidates', 'empty.txt'], /empty\.txt: holds no candidates/],
    [['recommend', 'mean', '--user', '1', '--set', 'seed=2'], /--set seed: cannot be changed for a finished run/],
    [['recommend', 'mean', '--user', '1', '--set', 'data.path=other'], /data\.path: the data set is not the one/],
    [['predict', 'mean', '--pairs', 'bad.csv', '--out', 'o.csv'], /bad\.csv:3: user "x" is not among the 14 users/],
    [['predict', 'mean', '--pairs', 'none.csv', '--out', 'o.csv'], /none\.csv: holds no rows/],
    [['predict', 'mean', '--pairs', 'absent.csv', '--out', 'o.csv'], /absent\.csv: CSV not found/],
    [['predict', 'mean', '--pairs', 'empty.txt', '--out', 'o.csv'], /empty\.txt/],
    [['predict', 'mean', '--pairs', 'bad.csv', '--out', 'ml-1m'], /--out: .+ml-1m: is a folder/],
  ])('refuses %j with one line, and leaves nothing', async (argv, words) => {
    const more = {
      'bad.txt': '1\n777\n',
      'empty.txt': '',
      'bad.csv': 'user,item\n1,1\nx,1\n',
      'none.csv': 'user,item\n',
    };
    for (const [name, text] of Object.entries(more)) await writeFile(join(cwd, name), text);
    const other = await folderWith(inventedMl1m(5, 4));
    const before = await listing(cwd);
    const given = argv.map((word) => (word === 'data.path=other' ? `data.path=${join(other, 'ml-1m')}` : word));
    const { code, stdout, stderr } = await runCli(given, { cwd });
    expect(stderr).toMatch(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(await listing(cwd)).toEqual(before);
  });
});

describe.skipIf(adapters.length === 0)('a model on a GPU', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await tinyRuns(await sharedFolder());
    await run(cwd, 'train', 'mf.yaml', '--run', 'mf', '--quiet');
    await run(cwd, 'train', 'ccf.yaml', '--run', 'ccf', '--quiet', '--set', 'evaluation.splits=[test]');
  });

  it('MF scores rows as its run did, and recommends by the same scores', async () => {
    await expectSameScores(cwd, 'mf', 6);
    const { items } = await recommend(cwd, 'mf', '--user', '5', '--top', '3', '--repeats', 'allow');
    expect(items.length).toBeGreaterThan(0);
    const { rows } = await predict(
      cwd,
      'mf',
      items.map(({ item }) => ({ user: '5', item })),
    );
    for (const [i, { score }] of rows.entries()) expect(Number(score)).toBeCloseTo(items[i]!.score, 6);
  });

  it('CCF-LLM scores rows as its run did, and recommends', async () => {
    await expectSameScores(cwd, 'ccf', 4);
    const all = await recommend(cwd, 'ccf', '--user', '5', '--top', '100', '--repeats', 'allow');
    expect(all.items.length).toBeGreaterThan(2);
    const scores = all.items.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const two = await recommend(cwd, 'ccf', '--user', '5', '--top', '2', '--repeats', 'allow');
    expect(two.items.map(({ item }) => item)).toEqual(all.items.slice(0, 2).map(({ item }) => item));
  });

  it.each(['mf', 'ccf'])(
    '%s recommends nothing to who knows every item, and says so without an error',
    async (name) => {
      const ratings = (await readFile(join(cwd, 'ml-1m', 'ratings.dat'), 'latin1')).trimEnd().split('\n');
      const given = ratings.map((line) => line.split('::')).filter(([user]) => user === '4');
      expect(given.map(([, , rating]) => rating)).toEqual(Array.from({ length: 9 }, () => '5'));
      const { code, stdout, stderr } = await runCli(['recommend', name, '--user', '4', '--json'], { cwd });
      expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 0, answer: { user: '4', items: [] } });
      expect(stderr).toMatch(
        /user 4 knows all 9 items, so there is nothing new to recommend; --repeats allow ranks known items too/,
      );
    },
  );

  it('CCF-LLM on asymmetric SVD tells it the dislikes that the run was told, and is of its class', async () => {
    const sets = ['cf.model=asvd', 'cf.asvd.information=P', 'cf.epochs=1', 'evaluation.splits=[test]'].flatMap(
      (set) => ['--set', set],
    );
    await run(cwd, 'train', 'ccf.yaml', '--run', 'told', '--quiet', ...sets);
    expect(JSON.parse(await readFile(join(cwd, 'told', 'result.json'), 'utf8'))).toMatchObject({ information: 'P' });
    await expectSameScores(cwd, 'told', 4);
  });

  it('refuses another model, and a run that lost a file', async () => {
    const path = join(cwd, 'model', 'tokenizer_config.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, `${text}\n`);
    const argv = ['recommend', 'ccf', '--user', '5'];
    expect((await runCli(argv, { cwd })).stderr).toMatch(
      /llm\.path: model is another model than the run was trained on/,
    );
    await writeFile(path, text);
    await writeFile(join(cwd, 'mf', 'cf.safetensors'), 'damaged');
    const damaged = await runCli(['recommend', 'mf', '--user', '5'], { cwd });
    expect(damaged).toMatchObject({ code: 2, stdout: '' });
    expect(damaged.stderr).toMatch(/cf\.safetensors/);
  });
});

describe.skipIf(adapters.length === 0)('the users of a shop', () => {
  let cwd: string;
  // Each user has three of eight items; u7 dislikes them, the others like them. "u9" and " u1" come after train.
  const rows = Array.from({ length: 24 }, (_, n) => [
    `u${n % 8}`,
    `i${(n + 3 * Math.floor(n / 8)) % 8}`,
    n % 8 === 7 ? 0 : 1,
  ]);
  beforeAll(async () => {
    cwd = await sharedFolder();
    const lines = rows.map(([user, item, label], n) => `${user},${item},${label},${n}`);
    await writeFile(join(cwd, 'p.csv'), `user,item,label,timestamp\n${lines.join('\n')}\n`);
    const late = ['u9,i1,1,90', ' u1,i2,1,91', 'u9,i3,0,92'];
    await writeFile(join(cwd, 'late.csv'), `user,item,label,timestamp\n${[...lines, ...late].join('\n')}\n`);
    const cf = 'cf: { cfDim: 4, learningRate: 0.02, batchSize: 16, epochs: 2, selectBy: last }\n';
    for (const method of ['mf', 'sasrec', 'mean', 'running-mean', 'item-mean']) {
      const model = method === 'sasrec' ? cf.replace('}', ', model: sasrec }') : cf;
      const data = (file: string, split: string) =>
        `method: ${method}\ndata: { name: csv, path: ${file}, split: { ${split} } }\n${method.includes('mean') ? '' : model}`;
      await writeFile(join(cwd, 'drawn.yaml'), data('p.csv', 'by: ratio, valid: 0.3, test: 0.3'));
      await writeFile(join(cwd, 'timed.yaml'), data('late.csv', 'by: time, validFrom: 20, testFrom: 90'));
      for (const kind of ['drawn', 'timed'])
        await run(cwd, 'train', `${kind}.yaml`, '--run', `${kind}-${method}`, '--quiet');
    }
  });

  it.each(['mf', 'sasrec', 'mean', 'running-mean', 'item-mean'])(
    '%s recommends nothing that a user knows in any part of a random split, unless repeats are allowed',
    async (method) => {
      // u7 dislikes what it has.
      for (const user of ['u0', 'u3', 'u7']) {
        const known = rows.filter((row) => row[0] === user).map((row) => row[1]);
        expect(new Set(known).size).toBe(3);
        const { items } = await recommend(cwd, `drawn-${method}`, '--user', user, '--top', '20');
        expect(items.length).toBeGreaterThan(0);
        for (const { item } of items) expect(known).not.toContain(item);
        const all = await recommend(cwd, `drawn-${method}`, '--user', user, '--top', '20', '--repeats', 'allow');
        expect(all.items.length).toBeGreaterThan(items.length);
      }
    },
  );

  it.each(['mean', 'item-mean'])(
    '%s offers the popular items to who is not in train, as what they are',
    async (method) => {
      const { code, stdout, stderr } = await runCli(['recommend', `timed-${method}`, '--user', 'u9', '--json'], {
        cwd,
      });
      expect(code).toBe(0);
      expect(stderr).toMatch(
        /nothing is known of user u9 that .* could go by: the popular items follow, the same for everybody/,
      );
      const { items, basis } = JSON.parse(stdout);
      expect(basis).toBe('popularity');
      const likes = (item: string) =>
        new Set([...rows, [' u1', 'i2', 1]].filter((row) => row[1] === item && row[2] === 1).map(([user]) => user))
          .size;
      const expected = ['i0', 'i2', 'i4', 'i5', 'i6', 'i7'].map(likes).sort((a, b) => b - a);
      expect(items.map(({ score }: { score: number }) => score)).toEqual(expected.filter((count) => count > 0));
      for (const { item, score } of items) expect(score).toBe(likes(item));
      const known = await recommend(cwd, `timed-${method}`, '--user', 'u1');
      expect(known).not.toHaveProperty('basis');
      const text = await run(cwd, 'recommend', `timed-${method}`, '--user', 'u9', '--top', '1');
      expect(text).toMatch(/users +item/);
    },
  );

  it('knows what a loss on positives learned: nothing of who only dislikes', async () => {
    await writeFile(
      join(cwd, 'likes.yaml'),
      'extends: timed.yaml\nmethod: mf\ncf: { model: mf, cfDim: 4, epochs: 1, selectBy: last }\n',
    );
    await run(cwd, 'train', 'likes.yaml', '--run', 'likes', '--quiet', '--set', 'cf.loss=bpr');
    expect(await recommend(cwd, 'likes', '--user', 'u7')).toMatchObject({ basis: 'popularity' });
    expect(await recommend(cwd, 'timed-mf', '--user', 'u7')).not.toHaveProperty('basis');
    expect(await recommend(cwd, 'likes', '--user', 'u1')).not.toHaveProperty('basis');
  });

  it('knows a user by what came after train, and says what it goes by', async () => {
    expect(await recommend(cwd, 'timed-running-mean', '--user', 'u9')).not.toHaveProperty('basis');
    expect(await recommend(cwd, 'timed-sasrec', '--user', 'u9')).toHaveProperty('basis', 'history');
    expect(await recommend(cwd, 'timed-mf', '--user', 'u9')).toHaveProperty('basis', 'folded-in');
    expect(await recommend(cwd, 'timed-mf', '--user', 'u1')).not.toHaveProperty('basis');
  });

  it('answers for newer events, new people and new items, when the CSV has grown or is gone', async () => {
    const grown = [
      ...(await readFile(join(cwd, 'late.csv'), 'utf8')).trimEnd().split('\n'),
      'u8,i5,1,95',
      'u8,i6,1,96',
      'u1,i7,1,97',
      'u8,i8,1,98',
    ];
    await writeFile(join(cwd, 'grown.csv'), `${grown.join('\n')}\n`);
    await writeFile(join(cwd, 'since.csv'), `user,item,label,timestamp\n${grown.slice(-4).join('\n')}\n`);
    await rm(join(cwd, 'late.csv'));
    for (const file of ['grown.csv', 'since.csv']) {
      const { items, ...list } = await recommend(cwd, 'timed-mf', '--user', 'u8', '--top', '9', '--events', file);
      expect(list).toEqual({ user: 'u8', basis: 'folded-in' });
      expect(items.map(({ item }) => item).sort()).toEqual(['i0', 'i1', 'i2', 'i3', 'i4', 'i7']);
    }
    const { items } = await recommend(cwd, 'timed-mf', '--user', 'u1', '--top', '9', '--events', 'grown.csv');
    expect(items.map(({ item }) => item)).not.toContain('i7');
    const anybody = await recommend(cwd, 'timed-sasrec', '--history', 'i5,i6');
    expect(anybody).toMatchObject({ history: ['i5', 'i6'], basis: 'history' });

    await writeFile(join(cwd, 'pairs.csv'), 'user,item\nu8,i0\nu1,i0\nu8,i1\n');
    const argv = [
      'predict',
      'timed-mf',
      '--pairs',
      'pairs.csv',
      '--out',
      'scores.csv',
      '--events',
      'grown.csv',
      '--json',
    ];
    const counts = JSON.parse(await run(cwd, ...argv));
    expect(counts).toMatchObject({ rows: 3, warm: 1, cold: 2, basis: { user: 1, 'folded-in': 2 } });
    expect((await csv(join(cwd, 'scores.csv'))).map(({ user, item }) => `${user}${item}`)).toEqual([
      'u8i0',
      'u1i0',
      'u8i1',
    ]);

    await writeFile(join(cwd, 'changed.csv'), grown.join('\n').replace('u9,i1,1,90', 'u9,i1,0,90'));
    await writeFile(join(cwd, 'titles.csv'), 'item,title\ni9,New\ni0,Another\n');
    const refusals: [string[], RegExp][] = [
      [
        ['--user', 'u8', '--events', 'changed.csv'],
        /changed\.csv:26: user "u9" has item "i1" with label 1 at this time/,
      ],
      [['--user', 'u1', '--items', 'titles.csv'], /titles\.csv:3: item "i0" has the title "i0" already/],
      [['--user', 'u1', '--history', 'i1'], /give --user or --history, one of them/],
      [['--history', 'i99'], /--history: item "i99" is not among/],
    ];
    for (const [given, words] of refusals) {
      const { code, stdout, stderr } = await runCli(['recommend', 'timed-mf', ...given], { cwd });
      expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(words);
    }
    const mean = await runCli(['recommend', 'timed-mean', '--user', 'u1', '--events', 'grown.csv'], { cwd });
    expect(mean).toMatchObject({ code: 2, stderr: expect.stringMatching(/--events: a run of mean cannot answer/) });
  });

  it('finds a user by the letters of the id, white space among them', async () => {
    expect((await recommend(cwd, 'timed-mean', '--user', ' u1')).user).toBe(' u1');
    const { code, stderr } = await runCli(['recommend', 'timed-mean', '--user', 'u2 '], { cwd });
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/write "u2": white space is part/),
    });
    await writeFile(join(cwd, 'some.txt'), 'i1\ni2 \n');
    const bad = await runCli(['recommend', 'timed-mean', '--user', 'u1', '--candidates', 'some.txt'], { cwd });
    expect(bad.stderr).toMatch(/some\.txt:2: item "i2 " .*; write "i2": white space is part of an id/);
    const { rows: scored } = await predict(cwd, 'timed-mean', [{ user: ' u1', item: 'i2' }]);
    expect(scored[0]).toMatchObject({ user: ' u1', item: 'i2' });
  });
});
