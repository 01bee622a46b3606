/** Ranking metrics in the report of a CF method: asked for by config, refused where they cannot be. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMetrics } from '@crossgate/experiment';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

const config = `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, loss: bpr, betas: [0.9, 0.98], learningRate: 0.02, batchSize: 16, epochs: 2, selectBy: ndcg }
evaluation: { ranking: { k: 3 } }
`;

it('trains by NDCG on valid and reports the lists of both splits', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mf.yaml': config });
  const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd });
  expect(code, stderr).toBe(0);
  const result = JSON.parse(await readFile(join(cwd, 'r/result.json'), 'utf8'));
  expect(Object.keys(result.ranking)).toEqual(['valid', 'test']);
  for (const part of Object.values<Record<string, number>>(result.ranking)) {
    expect(part).toMatchObject({ k: 3, negatives: null, users: expect.any(Number) });
    for (const name of ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit', 'coverage']) {
      expect(part[name]).toBeGreaterThan(0);
      expect(part[name]).toBeLessThanOrEqual(1);
    }
  }
  const epochs = readMetrics(join(cwd, 'r/metrics.jsonl')).map((record) => record['ndcg@3']);
  expect(result.details.cf).toMatchObject({ selectBy: 'ndcg@3', validBest: Math.max(...(epochs as number[])) });
  expect(result.details.cf.validBest).toBe(result.ranking.valid.ndcg);
  expect(stdout).toMatch(/NDCG/);
});

it('refuses more negatives than there are before anything is trained', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mf.yaml': config.replace('k: 3', 'k: 3, negatives: 8') });
  const { code, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd });
  expect(code, stderr).toBe(2);
  const [, left] =
    /^error: evaluation\.ranking\.negatives: 8 for each user, but user "\d+" has positives with all but (\d) of the 9 items; set it to \1 or fewer, or leave it out to rank all items$/m.exec(
      stderr,
    ) ?? [];
  expect(left, stderr).toBeDefined();
  // The remedy works the first time.
  const again = await runCli(['train', 'mf.yaml', '--run', 'r', '--set', `evaluation.ranking.negatives=${left}`], {
    cwd,
  });
  expect(again.code, again.stderr).toBe(0);
});

it.each([
  [
    'method: mean\nevaluation: { ranking: { k: 3 } }\n',
    /mf\.yaml:2:\d+: evaluation\.ranking is for mf.*method is mean/,
  ],
  ['method: mf\ncf: { selectBy: recall }\n', /mf\.yaml:2:\d+: cf\.selectBy recall needs evaluation\.ranking\.k/],
  [
    'method: ccf\nllm: { path: m }\ncf: { selectBy: ndcg }\n',
    /mf\.yaml:3:\d+: cf\.selectBy ndcg needs lists, which ccf does not make; select by auc or last, or train mf by itself/,
  ],
  ['method: mf\nevaluation: { ranking: { repeats: often } }\n', /repeats: "often" is not one of exclude, allow/],
])('refuses %j', async (text, message) => {
  const cwd = await folderWith({ 'mf.yaml': text });
  const { code, stderr } = await runCli(['train', 'mf.yaml'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

/** Purchases: everybody buys some things again, and u0 nothing else. */
function purchases(): string {
  const lines = ['user,item,timestamp'];
  for (let user = 0; user < 8; user++) {
    for (let n = 0; n < 10; n++) lines.push(`u${user},i${(user * 3 + (user === 0 ? n % 2 : n % 7)) % 12},${n}`);
  }
  return `${lines.join('\n')}\n`;
}

const shop = `method: mf
data: { name: csv, path: ., csv: { interactions: p.csv, implicit: true }, split: { valid: 0.2, test: 0.2 } }
cf: { cfDim: 4, loss: bpr, learningRate: 0.02, batchSize: 16, epochs: 2, warmupEpochs: 0 }
`;

it('leaves out what was bought before, in the table, in result.json and where the epoch is chosen', async () => {
  const cwd = await folderWith({ 'p.csv': purchases(), 'mf.yaml': shop });
  const train = async (run: string, ...sets: string[]) => {
    const argv = ['evaluation.ranking.k=12', 'cf.selectBy=ndcg', ...sets].flatMap((set) => ['--set', set]);
    const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--run', run, ...argv], { cwd });
    expect(code, stderr).toBe(0);
    const { ranking, details } = JSON.parse(await readFile(join(cwd, run, 'result.json'), 'utf8'));
    expect(details.cf.validBest).toBe(ranking.valid.ndcg);
    return { ranking, stdout };
  };
  const { ranking, stdout } = await train('r');
  expect(ranking.valid).toMatchObject({ repeats: 'exclude', users: 7, usersLeftOut: 1, targetsLeftOut: 9, recall: 1 });
  expect(ranking.test).toMatchObject({ users: 0, usersLeftOut: 8, ndcg: null });
  expect(stdout).toMatch(/left out.*\n.*valid.* 7 +1 +9 +all /);
  const sampled = await train('s', 'evaluation.ranking.negatives=2');
  expect(sampled.ranking.valid).toMatchObject({ users: 7, usersLeftOut: 1, targetsLeftOut: 9 });
  const allowed = await train('a', 'evaluation.ranking.repeats=allow');
  expect(allowed.ranking.valid).toMatchObject({ repeats: 'allow', users: 8, usersLeftOut: 0, recall: 1 });
  expect(allowed.ranking.test).toMatchObject({ users: 8, usersLeftOut: 0, recall: 1 });
  const { stdout: compared } = await runCli(['compare', 'r', 's', '--split', 'valid'], { cwd });
  expect(compared).toContain('evaluation.ranking is not the same');
});

it.each([
  [
    'tallrec',
    [],
    /error: training\.selectBy: auc is not defined on valid, which has only positives; set it to last, which keeps the last state/,
  ],
  [
    'ccf',
    [],
    /cf\.selectBy: auc is not defined on valid, which has only positives; set it and training\.selectBy to last, which keeps the last epoch and/,
  ],
  ['ccf', ['cf.selectBy=last'], /error: training\.selectBy: auc is not defined on valid/],
  ['ccf', ['cf.selectBy=last', 'training.selectBy=last'], /llm\.path: none: model not found/],
])('refuses %s on positives alone, %j, before it looks for the model', async (method, sets, words) => {
  const cwd = await folderWith({ 'p.csv': purchases(), 'mf.yaml': shop });
  const argv = [`method=${method}`, 'llm.path=none', ...sets].flatMap((set) => ['--set', set]);
  const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r', ...argv], { cwd });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(words);
});

it('refuses a criterion that valid does not define, before anything is trained', async () => {
  const cwd = await folderWith({ 'p.csv': purchases(), 'mf.yaml': shop });
  for (const [sets, words] of [
    [
      [],
      /cf\.selectBy: auc is not defined on valid, which has only positives; set it to ndcg with evaluation\.ranking\.k: 10, or set it to last/,
    ],
    [['evaluation.ranking.k=3'], /has only positives; set it to ndcg, or/],
    [
      ['cf.loss=softmax', 'data.split.by=leave-one-out', 'data.split.valid=null', 'data.split.test=null'],
      /auc is not defined/,
    ],
  ] as const) {
    const argv = ['train', 'mf.yaml', '--run', 'r', ...sets.flatMap((set) => ['--set', set])];
    const { code, stdout, stderr } = await runCli(argv, { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(words);
    await expect(readFile(join(cwd, 'r/config.yaml'))).rejects.toThrow(/ENOENT/);
  }
  for (const [set, words] of [
    ['cf.selectBy=last', /cf\.selectBy is last: the last epoch stands/],
    ['data.split.valid=0', /valid has no rows to choose an epoch by: the last epoch stands/],
  ] as const) {
    const run = set.split('=')[0]!;
    const { code, stderr } = await runCli(['train', 'mf.yaml', '--run', run, '--set', set], { cwd });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/best validation/);
    const { details } = JSON.parse(await readFile(join(cwd, run, 'result.json'), 'utf8'));
    expect(details.cf).toMatchObject({ selectBy: 'last', bestEpoch: 2, epochs: 2 });
  }
});

/** Train has u0 to u3 and i0 to i5; valid and test have new users, and one new item. */
function newcomers(): string {
  const lines = ['user,item,label,timestamp'];
  for (let n = 0; n < 24; n++) lines.push(`u${n % 4},i${(5 * n) % 6},${n % 3 === 0 ? 0 : 1},${n}`);
  lines.push('n1,i1,1,50', 'n1,new,1,51', 'n1,i2,0,52', 'u0,new,1,90', 'n2,i3,1,91');
  return `${lines.join('\n')}\n`;
}

it('says of lists and of a criterion what their numbers do not show: nobody in valid is known', async () => {
  const config = `method: mf
data: { name: csv, path: p.csv, split: { validFrom: 50, testFrom: 90 } }
cf: { cfDim: 4, batchSize: 16, epochs: 2, warmupEpochs: 0 }
evaluation: { ranking: { k: 6 } }
`;
  const cwd = await folderWith({ 'p.csv': newcomers(), 'mf.yaml': config });
  const { code, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(
    /validation AUC was 0\.5000 after every epoch, so it chose none, and epoch 1 stands; set cf\.selectBy to last/,
  );
  expect(stderr).toMatch(/valid: nothing is known of 1 of 1 ranked users: their lists are the same for everybody/);
  expect(stderr).toMatch(/valid: 1 target has no train rows, so that no list holds it/);
  expect(stderr).toMatch(/test: nothing is known of 1 of 2 ranked users/);
  const { ranking } = JSON.parse(await readFile(join(cwd, 'r/result.json'), 'utf8'));
  // All six items of train fit the list: what is not found has no train rows.
  expect(ranking.valid).toMatchObject({ users: 1, usersUnknown: 1, targetsUnseen: 1, recall: 0.5 });
  expect(ranking.test).toMatchObject({ users: 2, usersUnknown: 1, targetsUnseen: 1, recall: 0.5 });
  const last = await runCli(['train', 'mf.yaml', '--run', 'l', '--set', 'cf.selectBy=last'], { cwd });
  expect(last.stderr).not.toMatch(/after every epoch/);
});

it('tells a list that is empty apart: who knows everything, who knows what is left, what can be ranked', async () => {
  const lines = ['user,item,label,timestamp'];
  for (const user of ['all', 'most', 'none']) {
    for (let n = 0; n < 4; n++) lines.push(`${user},i${n},${user === 'none' ? 0 : 1},${n}`);
  }
  // Only "all" has the last item, after train; "late" is not in train.
  lines.push('all,i4,1,50', 'late,i0,1,51', ...[1, 2, 3, 4].map((n) => `late,i${n},1,60`), 'most,i0,0,60');
  const config = `method: mf
data: { name: csv, path: p.csv, split: { validFrom: 50, testFrom: 60 } }
cf: { cfDim: 4, batchSize: 16, epochs: 1, selectBy: last }
`;
  const cwd = await folderWith({ 'p.csv': `${lines.join('\n')}\n`, 'mf.yaml': config });
  expect((await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd })).code).toBe(0);
  const recommend = async (user: string) => {
    const { code, stdout, stderr } = await runCli(['recommend', 'r', '--user', user, '--json'], { cwd });
    expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 0, answer: { user, items: [] } });
    expect(stderr).toMatch(/; --repeats allow ranks known items too, and --candidates FILE any\n$/);
    return stderr;
  };
  expect(await recommend('all')).toMatch(/user all knows all 5 items, so there is nothing new to recommend/);
  expect(await recommend('late')).toMatch(/user late knows all 5 items/);
  expect(await recommend('most')).toMatch(/none of the items that user most does not know yet has train rows/);
});
