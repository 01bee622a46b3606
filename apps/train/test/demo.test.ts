/** The demo without a GPU: configs, folders, the comparison and its words, the table, the report, the picture, found files. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig, locateModel } from '@crossgate/experiment';
import { shippedPath } from '@crossgate/files';
import { drawRun } from '@crossgate/report';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { expectedSeconds } from '../src/demo/expected';
import { chooseFolder } from '../src/demo/folder';
import { type DemoGap, gapSentence, measureGap, short } from '../src/demo/gap';
import type { DemoMethodScore, DemoResult, DemoScore } from '../src/demo/measure';
import { demoMethods } from '../src/demo/methods';
import { demoPicture, demoReport, demoTable, demoText } from '../src/demo/report';
import { surroundingsOf } from '../src/session';
import { runCli } from './cli';

it('asks for its GPU before it computes anything, and leaves nothing without one', async () => {
  const cwd = await folderWith({});
  const { code, stdout, stderr } = await runCli(['demo', '--adapter', 'no such card'], { cwd });
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toMatch(/no usable GPU/);
  expect(stderr).not.toMatch(/methods on a generated world|\[1\//);
  expect(await readdir(cwd)).toEqual([]);
});

const configs = join(import.meta.dirname, '../../../configs/demo');

describe('the configs', () => {
  it('exist for every method, on the same data and the same rows', async () => {
    const names = [...demoMethods.map(({ key }) => key), 'demo', 'smoke'];
    const methods = ['item-mean', 'mean', 'running-mean', 'mf', 'tallrec', 'ccf', 'ccf', 'ccf'];
    for (const [index, name] of names.entries()) {
      const config = await loadConfig(join(configs, `${name}.yaml`), { cwd: configs });
      expect(config).toMatchObject({ name, method: methods[index], data: { name: 'demo', path: null } });
      expect(config.llm.path).toBe('demo-llm');
      expect(config.evaluation.splits).toContain('test');
    }
    const [demo, ccf, mf] = await Promise.all(
      ['demo', 'ccf', 'mf'].map((name) => loadConfig(join(configs, `${name}.yaml`), { cwd: configs })),
    );
    expect({ ...ccf, name: 'demo' }).toEqual(demo);
    // CCF-LLM is given the vectors of the MF run.
    expect(mf!.cf).toEqual(demo!.cf);
  });
});

describe('expectedSeconds', () => {
  const rows = { train: 130_000, valid: 30_000, test: 40_000 };
  const seconds = async (name: string, ...set: string[]) =>
    expectedSeconds(await loadConfig(join(configs, `${name}.yaml`), { cwd: configs, set }), rows);

  it('grows with the rows, the stages and what is scored, and knows that vectors can be taken over', async () => {
    expect(await seconds('mean')).toBeLessThan(1);
    const whole = await seconds('ccf');
    expect(await seconds('ccf', 'cf.run=mf')).toBeLessThan(whole);
    expect(await seconds('ccf', 'training.strategy=stage1-only')).toBeLessThan(whole);
    expect(await seconds('ccf', 'evaluation.testRows=null')).toBeGreaterThan(whole + 60);
    const stage = ['training.stage1.rows=130', 'training.stage1.epochs=2', 'evaluation.validRows=1'];
    const short = await seconds('text', ...stage, 'evaluation.testRows=250', 'training.stage1.evaluateEvery=null');
    expect(short).toBeCloseTo(3 + 2 + 1 + 2 / 250, 6);
  });

  it('promises the whole demo in the time that it may take', async () => {
    let sum = await seconds('ccf', 'cf.run=mf');
    for (const { key } of demoMethods) if (key !== 'ccf') sum += await seconds(key);
    expect(sum).toBeLessThan(6 * 60);
  });
});

describe('files that come with the program', () => {
  it('are found beside it: in dist, at the root of a checkout, nearest first', async () => {
    const root = await folderWith({ 'configs/demo/demo.yaml': 'root', 'a/b/c/main.js': '' });
    const program = join(root, 'a/b/c');
    expect(await shippedPath('configs/demo/demo.yaml', program)).toBe(join(root, 'configs/demo/demo.yaml'));
    await mkdir(join(program, 'configs/demo'), { recursive: true });
    await writeFile(join(program, 'configs/demo/demo.yaml'), 'own');
    expect(await shippedPath('configs/demo/demo.yaml', program)).toBe(join(program, 'configs/demo/demo.yaml'));
    expect(await shippedPath('assets/no-such-model', program)).toBeUndefined();
    expect(await shippedPath('configs/demo', join(import.meta.dirname, '..', 'src'))).toBe(configs);
  });

  it.skipIf(!existsSync(join(configs, '../../assets/demo-llm/config.json')))(
    'demo-llm is found last: a model of the user with that name wins',
    async () => {
      const cwd = await folderWith();
      const find = () => locateModel('demo-llm', 'llm.path', surroundingsOf({ cwd, env: {} }));
      expect(await find()).toBe(join(configs, '../../assets/demo-llm'));
      await mkdir(join(cwd, 'models/demo-llm'), { recursive: true });
      await writeFile(join(cwd, 'models/demo-llm/config.json'), '{}');
      expect(await find()).toBe(join(cwd, 'models/demo-llm'));
    },
  );
});

describe('chooseFolder', () => {
  const runs = ['mean', 'ccf'];
  const choose = (cwd: string, options: { run?: string; resume?: boolean; seed?: number } = {}) =>
    chooseFolder(cwd, runs, { resume: false, seed: 1, ...options });

  it('takes a new folder each time, and the last of the seed to resume', async () => {
    const cwd = await folderWith();
    expect(await choose(cwd)).toBe(join('runs', 'demo-1'));
    expect(await choose(cwd, { resume: true })).toBe(join('runs', 'demo-1'));
    await mkdir(join(cwd, 'runs/demo-1/mean'), { recursive: true });
    expect(await choose(cwd)).toBe(join('runs', 'demo-1-2'));
    expect(await choose(cwd, { seed: 2 })).toBe(join('runs', 'demo-2'));
    await mkdir(join(cwd, 'runs/demo-1-10'));
    await mkdir(join(cwd, 'runs/demo-12-30'), { recursive: true });
    expect(await choose(cwd)).toBe(join('runs', 'demo-1-11'));
    expect(await choose(cwd, { resume: true })).toBe(join('runs', 'demo-1-10'));
  });

  it('refuses folders of something else, and a demo without --resume', async () => {
    const cwd = await folderWith({ 'other/thesis.txt': 'mine', file: '' });
    await mkdir(join(cwd, 'begun/mean'), { recursive: true });
    await mkdir(join(cwd, 'empty'));
    expect(await choose(cwd, { run: 'empty' })).toBe('empty');
    expect(await choose(cwd, { run: 'absent' })).toBe('absent');
    expect(await choose(cwd, { run: 'begun', resume: true })).toBe('begun');
    const refused = (options: { run: string; resume?: boolean }) =>
      expect(choose(cwd, options)).rejects.toMatchObject({ name: 'InputError' });
    await refused({ run: 'begun' });
    await refused({ run: 'other' });
    await refused({ run: 'other', resume: true });
    await refused({ run: 'file' });
  });
});

/** 400 rows; a score is the hidden logit plus noise of its own. */
function scores(noises: readonly number[]) {
  let state = 12345;
  const uniform = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  const normal = () => Array.from({ length: 12 }, uniform).reduce((sum, value) => sum + value, -6);
  const label = new Uint8Array(400);
  const columns = noises.map(() => new Float64Array(400));
  for (let row = 0; row < 400; row++) {
    const logit = 2 * normal();
    label[row] = uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
    noises.forEach((noise, column) => {
      columns[column]![row] = logit + noise * normal();
    });
  }
  return { label, columns };
}

function gapOf(ccf: number, mf: number, text: number, full = 0): DemoGap {
  const { label, columns } = scores([ccf, mf, text, full]);
  const parents = [
    { key: 'mf', name: 'MF', score: columns[1]! },
    { key: 'text', name: 'text-only LLM', score: columns[2]! },
  ];
  return measureGap({ label, ccf: columns[0]!, parents, full: columns[3]! })!;
}

describe('the comparison', () => {
  it('is with the better parent, and its interval is that of the paired difference', () => {
    const gap = gapOf(0.5, 4, 8);
    expect(gap.parent).toBe('mf');
    expect(gapOf(0.5, 8, 4).parent).toBe('text');
    expect(gap.difference).toBeCloseTo(gap.ccfAuc - gap.parentAuc, 12);
    expect(gap.closed).toBeCloseTo((gap.ccfAuc - gap.parentAuc) / (gap.fullAuc - gap.parentAuc), 12);
    expect((gap.paired95[0] + gap.paired95[1]) / 2).toBeCloseTo(gap.difference, 12);
    expect(gap.holds).toBe(true);
  });

  it('is null for rows of one class', () => {
    const { columns } = scores([1, 1]);
    const parents = [{ key: 'mf', name: 'MF', score: columns[1]! }];
    expect(measureGap({ label: new Uint8Array(400), ccf: columns[0]!, parents, full: columns[1]! })).toBeNull();
    expect(gapSentence(null)).toMatch(/nothing can be compared/);
  });

  it('says plainly what holds and what does not', () => {
    const base: DemoGap = {
      parent: 'mf',
      parentName: 'MF',
      parentAuc: 0.73,
      ccfAuc: 0.79,
      fullAuc: 0.83,
      closed: 0.6,
      difference: 0.06,
      paired95: [0.052, 0.068],
      holds: true,
    };
    expect(gapSentence(base)).toBe(
      'CCF-LLM .790 against its better parent, MF .730: closes 60 % of the gap to the full oracle (.830), paired difference +.060 [.052, .068].',
    );
    const worse = { ...base, ccfAuc: 0.7, closed: -0.3, difference: -0.03, paired95: [-0.04, -0.02] as const };
    expect(gapSentence({ ...worse, holds: false })).toBe(
      'CCF-LLM .700 against its better parent, MF .730: it is NOT better and closes nothing of the gap to the full oracle (.830); paired difference −.030 [−.040, −.020].',
    );
    const chance = { ...base, closed: 0.55, difference: 0.055, paired95: [-0.01, 0.12] as const, holds: false };
    expect(gapSentence(chance)).toMatch(/does NOT show that fusing helps/);
    const half = { ...base, closed: 0.3, difference: 0.03, paired95: [0.02, 0.04] as const, holds: false };
    expect(gapSentence(half)).toMatch(/closes only 30 % .*NOT half/);
    expect(gapSentence({ ...base, closed: null, holds: false })).toMatch(/no gap is left/);
  });

  it('holds only from half of the gap on, and above chance', () => {
    expect(gapOf(5, 5.2, 8)).toMatchObject({ holds: false });
    expect(gapOf(6, 1, 8)).toMatchObject({ holds: false });
    expect(gapOf(6, 1, 8).closed).toBeLessThan(0);
    expect(short(-0.0449)).toBe('−.045');
    expect(short(1)).toBe('1.000');
  });
});

const score = (auc: number): DemoScore => ({ auc, auc95: [auc - 0.01, auc + 0.01], uauc: auc, warm: auc, cold: null });
const methods: Record<string, DemoMethodScore> = Object.fromEntries(
  demoMethods.map(({ key }, index) => [
    key,
    { ...score(0.6 + index / 40), information: 'T', seconds: index, run: `runs/demo-1/${key}` },
  ]),
);
const result: DemoResult = {
  seconds: 75,
  adapter: 'a <GPU> & more',
  seed: 1,
  rows: 4000,
  methods,
  oracles: { titles: score(0.72), cooccurrence: score(0.74), full: score(0.83) },
  gap: null,
  summary: 'It holds.',
  run: 'runs/demo-1',
  report: 'runs/demo-1/report.md',
  curves: 'runs/demo-1/curves.svg',
};
const records = {
  mf: [1, 2, 3].map((step) => ({ phase: 'cf', step, loss: 0.7 / step, validAuc: 0.5 + step / 20 })),
  text: [1, 2, 3, 4].map((step) => ({ phase: 'stage1', step, loss: 1 / step, validAuc: step === 4 ? 0.7 : null })),
  ccf: [
    { phase: 'stage1', step: 1, loss: 0.9 },
    { phase: 'stage1', step: 2, validAuc: 0.6 },
    { phase: 'stage2', step: 3, loss: 0.5 },
    { phase: 'stage2', step: 3, validAuc: 0.75 },
  ],
};

describe('what is shown', () => {
  it('the table has every method, then the oracles', () => {
    const lines = demoTable(result, 'markdown').split('\n');
    expect(lines).toHaveLength(2 + demoMethods.length + 3);
    expect(lines.find((line) => line.startsWith('| CCF-LLM'))).toMatch(/\|\s+0\.7250 \|\s+0\.715–0\.735 \|/);
    expect(lines.at(-1)).toMatch(/^\| oracle: full .*0\.8300/);
    expect(demoText(result)).toMatch(/4000 rows, after 1m15s[\s\S]*It holds\.\nReport: runs\/demo-1\/report\.md$/);
  });

  it('the report links to what lies beside it', () => {
    const text = demoReport(result, { version: '1.2.3', hash: 'abc', date: '2026-01-01' });
    expect(text).toMatch(/^# CCF-LLM on a generated world\n\nIt holds\.\n/);
    expect(text).toContain('](curves.svg)');
    for (const { key } of demoMethods) expect(text).toContain(`](${key}/result.json)`);
  });

  it('the picture has a row for every AUC and a curve for every trained method, and is whole XML', async () => {
    const svg = await demoPicture(result, records);
    for (const { label } of demoMethods) expect(svg).toContain(`>${label}<`);
    expect(svg.match(/<path [^>]*d="M/g)).toHaveLength(1 + 2 + 2);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.match(/<svg [^>]*viewBox=/g)).toHaveLength(1 + 4);
    // Without what was not trained, as after --set that leaves nothing.
    expect(await demoPicture({ ...result, methods: {} }, {})).not.toMatch(/NaN|Infinity/);
  });

  it('curves of one run stand in phases', async () => {
    const svg = await drawRun('a <b>', records.ccf);
    expect(svg).toContain('training loss by steps (stage1, stage2)');
    expect(svg).toContain('a &lt;b&gt;');
    // One break in each of the two panels, at the end of stage 1.
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
    expect(await drawRun('mf', records.mf)).toContain('validation AUC by epochs (cf)');
  });
});
