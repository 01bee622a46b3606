/** `crossgate sweep`: a grid without a GPU, trials of MF that are interrupted and go on, halving, failures. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Outcome, runCli } from './cli';

const adapters = await listAdapters();

const files = {
  ...inventedMl1m(14, 9),
  'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n',
  'mf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 8, warmupEpochs: 8, patience: 12 }
`,
  'tallrec.yaml': `method: tallrec
data: { path: ml-1m }
llm: { path: model }
prompt: { historyLength: 2 }
lora: { rank: 2 }
training: { stage1: { rows: 8, batchSize: 4 } }
evaluation: { validRows: 10, batchTokens: 2000 }
`,
};

let cwd: string;
beforeEach(async () => {
  cwd = await folderWith(files);
});

const sweep = (...words: string[]) => runCli(['sweep', ...words], { cwd });
const text = (name: string) => readFile(join(cwd, name), 'utf8');

/** The result of a call with `--json`. */
function parsed({ code, stdout, stderr }: Outcome) {
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

it('searches a grid, prints the trials best first, and writes table, picture and config', async () => {
  const args = ['mean.yaml', '--grid', 'baseline.strength=1,500', '--grid', 'method=mean,item-mean', '--out', 's'];
  const { out, trials, best, importance, unit, files: written } = parsed(await sweep(...args, '--json'));
  expect([out, unit, trials.length, best.test]).toEqual(['s', null, 4, null]);
  expect(written).toEqual(['sweep.json', 'sweep.csv', 'sweep.svg', 'best.yaml'].map((name) => join('s', name)));
  const values = trials.map(({ value }: { value: number }) => value);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect(best).toMatchObject({ trial: trials[0].trial, value: values[0], values: trials[0].values });
  expect(importance.map(({ key }: { key: string }) => key).sort()).toEqual(['baseline.strength', 'method']);
  // No trial was scored on the test rows.
  for (const { run } of trials) expect(await readdir(join(cwd, run, 'predictions'))).toEqual(['valid.csv']);
  const table = await sweep(...args);
  expect(table.stdout).toMatch(/^trial +baseline\.strength +method +AUC +UAUC +time\n/);
  expect(table.stdout).toMatch(/The test split was not scored\./);
  expect((await text('s/sweep.csv')).split('\n')[0]).toBe(
    'trial,status,reason,baseline.strength,method,auc,uauc,logLoss,trained,round,seconds,run',
  );
  expect((await text('s/sweep.svg')).match(/<circle/g)).toHaveLength(8);
  const trained = parsed(await runCli(['train', 's/best.yaml', '--json', '--strict'], { cwd }));
  expect(trained.metrics.valid.auc).toBe(best.value);
  const tested = parsed(await sweep(...args, '--json', '--test'));
  expect(tested.best.test).toEqual(trained.metrics.test);
});

it('refuses what cannot be searched, before it makes a folder', async () => {
  const grid = ['--grid', 'baseline.strength=1,5'];
  for (const [words, message] of [
    [['--grid', 'baseline.strenght=1,5'], /--grid baseline\.strenght: unknown key .*did you mean strength/],
    [['--grid', 'baseline.strength=1,-5'], /--grid baseline\.strength: .*got -5/],
    [[...grid, '--halving'], /--halving: mean is not trained step by step/],
    [[...grid, '--median'], /--median: mean is not trained step by step/],
    [[...grid, '--factor', '4'], /--factor: is for --halving/],
    [[...grid, '--objective', 'ndgc'], /--objective: unknown value ndgc \(did you mean ndcg\?\)/],
    [
      [...grid, '--objective', 'uauc'],
      /--objective: uauc is not defined on valid, which has no user with rows of both/,
    ],
    [[...grid, '--objective', 'ndcg'], /--objective: ndcg is of lists, and evaluation\.ranking\.k is not set/],
    [[...grid, '--set', 'data.path=none'], /none/],
    [[...grid, '--out', 'ml-1m'], /ml-1m: is not empty and holds no sweep/],
    [[], /sweep: nothing to search/],
  ] as const) {
    const { code, stderr } = await sweep('mean.yaml', ...words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  }
  expect(existsSync(join(cwd, 'runs'))).toBe(false);
});

it('fails trials that are validated on other rows than the first', async () => {
  for (const [name, content] of Object.entries(inventedMl1m(12, 9))) {
    await mkdir(join(cwd, 'other'), { recursive: true });
    await writeFile(join(cwd, name.replace('ml-1m', 'other')), content);
  }
  const { trials, best } = parsed(await sweep('mean.yaml', '--grid', 'data.path=ml-1m,other', '--json'));
  expect(trials.map(({ status, code }: { status: string; code: string }) => [status, code])).toEqual([
    ['done', null],
    ['failed', 'run.not-comparable'],
  ]);
  expect(best.values).toEqual({ 'data.path': 'ml-1m' });
});

it('shows the trials without running them', async () => {
  const args = ['mean.yaml', '--random', 'baseline.strength=log:1..100', '--trials', '3', '--list'];
  const { trials } = parsed(await sweep(...args, '--json', '--seed', '5'));
  expect(trials).toHaveLength(3);
  expect(parsed(await sweep(...args, '--json', '--seed', '5')).trials).toEqual(trials);
  expect((await sweep(...args)).stdout).toMatch(/3 trials by auc of valid$/m);
  expect(existsSync(join(cwd, 'runs'))).toBe(false);
});

describe.skipIf(adapters.length === 0)('trials on a GPU', () => {
  const grid = ['mf.yaml', '--grid', 'cf.learningRate=0.02,1e30,0.05', '--grid', 'cf.cfDim=4,6', '--out', 's'];
  const results = async () => {
    const names = await readdir(join(cwd, 's', 'runs')).catch(() => []);
    return names.map((name) => join(cwd, 's', 'runs', name, 'result.json')).filter(existsSync);
  };

  it('go on where they were interrupted, by the command that was printed, and failed ones are kept', async () => {
    const stop = new AbortController();
    const poll = setInterval(async () => {
      if ((await results()).length > 0) stop.abort();
    }, 10);
    const broken = await runCli(['sweep', ...grid, '--objective', 'auc'], { cwd, signal: stop.signal });
    clearInterval(poll);
    expect(broken.code, broken.stderr).toBe(130);
    const [, command = ''] = /this goes on: crossgate (.*)\n$/.exec(broken.stderr) ?? expect.fail(broken.stderr);
    const before = await results();
    expect(before.length).toBeLessThan(4);
    const times = await Promise.all(before.map(async (file) => (await stat(file)).mtimeMs));
    const { trials, best } = parsed(await runCli([...command.split(' '), '--json'], { cwd }));
    expect(await Promise.all(before.map(async (file) => (await stat(file)).mtimeMs))).toEqual(times);
    expect(trials.map(({ status }: { status: string }) => status)).toEqual([
      ...Array(4).fill('done'),
      'failed',
      'failed',
    ]);
    expect(trials[5]).toMatchObject({ code: 'training.diverged', reason: expect.stringMatching(/lower learningRate/) });
    expect(best.value).toBe(trials[0].auc);
    const again = await runCli(command.split(' '), { cwd });
    expect(again.stderr.match(/trial \d of 6:/g)).toHaveLength(4);
    expect((await runCli([...command.split(' '), '--retry'], { cwd })).stderr.match(/trial \d of 6:/g)).toHaveLength(6);
  });

  it('are trained in rounds, the better half going on to the numbers of an unbroken training', async () => {
    const random = ['--random', 'cf.learningRate=log:1e-3..1e-1', '--trials', '4', '--halving', '--factor', '2'];
    const { rounds, trials, best, unit } = parsed(await sweep('mf.yaml', ...random, '--json', '--out', 's'));
    expect([unit, rounds]).toEqual([
      'epochs',
      [
        { trials: 4, budget: 2 },
        { trials: 2, budget: 4 },
        { trials: 1, budget: 8 },
      ],
    ]);
    const [first, ...others] = trials;
    expect(trials.map(({ trained }: { trained: number }) => trained)).toEqual([8, 4, 2, 2]);
    expect(others.every(({ status }: { status: string }) => status === 'stopped')).toBe(true);
    const epochsOf = async (run: string) => (await text(join(run, 'metrics.jsonl'))).trimEnd().split('\n').length;
    expect(await Promise.all(trials.map(({ run }: { run: string }) => epochsOf(run)))).toEqual([8, 4, 2, 2]);
    const whole = parsed(await runCli(['train', 's/best.yaml', '--json'], { cwd }));
    expect([first.value, best.value]).toEqual([whole.metrics.valid.auc, whole.metrics.valid.auc]);
    // Again: the same, and nothing is trained.
    const times = async () => (await stat(join(cwd, first.run, 'checkpoints', 'last.json'))).mtimeMs;
    const then = await times();
    const again = parsed(await sweep('mf.yaml', ...random, '--json', '--out', 's'));
    expect(again.trials).toEqual(trials);
    expect(await times()).toBe(then);
  });

  it('stop below the median of those before, and stay stopped', async () => {
    const rates = ['--grid', 'cf.learningRate=0.02,0.03,0.05,1e-9', '--median', '--set', 'cf.warmupEpochs=2'];
    const { trials } = parsed(await sweep('mf.yaml', ...rates, '--json', '--out', 's'));
    const [last] = trials.slice(-1);
    expect(last).toMatchObject({ trial: 4, status: 'stopped', reason: 'below the median', trained: 3 });
    expect(parsed(await sweep('mf.yaml', ...rates, '--json', '--out', 's')).trials).toEqual(trials);
  });

  it('on a language model begin anew in each round, with more rows', async () => {
    await writeTinyModel(join(cwd, 'model'));
    const grid = ['--grid', 'lora.rank=1,2', '--halving', '--factor', '2', '--out', 's'];
    const { rounds, trials, best, unit } = parsed(await sweep('tallrec.yaml', ...grid, '--json'));
    expect([unit, rounds]).toEqual([
      'rows',
      [
        { trials: 2, budget: 4 },
        { trials: 1, budget: 8 },
      ],
    ]);
    expect(trials.map(({ trained }: { trained: number }) => trained)).toEqual([8, 4]);
    const rowsOf = async (run: string) => JSON.parse(await text(join(run, 'result.json'))).details.stages[0].rows;
    expect(await Promise.all(trials.map(({ run }: { run: string }) => rowsOf(run)))).toEqual([8, 4]);
    expect(best.values).toEqual(trials[0].values);
    expect(await text('s/best.yaml')).toMatch(/^ {4}rows: 8$/m);
  });
});
