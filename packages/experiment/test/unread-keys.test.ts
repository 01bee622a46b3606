/** Keys that a method does not read: which these are, what is told about them, and what stays quiet. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import {
  CF_METHODS,
  configJsonSchema,
  type JsonSchema,
  loadConfig,
  loadConfigWithNotes,
  METHOD_NAMES,
  openSession,
  readsOf,
  runExperiment,
} from '../src';

const configs = join(import.meta.dirname, '../../../configs');

/** What is noted of a config with this text. */
async function notesOf(text: string, set: readonly string[] = []) {
  const cwd = await folderWith({ 'c.yaml': text });
  return loadConfigWithNotes('c.yaml', { cwd, set });
}

async function unreadOf(text: string, set: readonly string[] = []) {
  return (await notesOf(text, set)).unread.map(({ key }) => key);
}

/** Dotted paths of all keys of the schema. */
function leaves(schema: JsonSchema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) =>
    child.properties ? leaves(child, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

/** A minimal config of a method that loads. */
const minimal = (method: string) =>
  `method: ${method}\nllm: { path: m }\ncf: { model: ${CF_METHODS.includes(method) ? method : 'mf'} }\n`;

/** A word or number for each kind of key that a method may read. */
const sample = [
  'baseline.strength',
  'baseline.residualScale',
  'cf.cfDim',
  'cf.epochs',
  'cf.initStd',
  'cf.mf.biases',
  'cf.sasrec.blocks',
  'llm.maxLength',
  'lora.rank',
  'prompt.noun',
  'alg.hiddenFactor',
  'gate.hidden',
  'loss.k',
  'training.checkpointEvery',
  'training.activations',
  'training.stage1.rows',
  'training.stage2.rows',
  'training.stage2.trainCf',
  'training.stage2.cfDropout',
  'evaluation.validRows',
  'evaluation.testRows',
  'evaluation.batchTokens',
  'evaluation.ranking.negatives',
];
const values: Readonly<Record<string, string>> = {
  'cf.mf.biases': 'true',
  'prompt.noun': 'movies',
  'training.activations': 'f16',
  'training.stage2.trainCf': 'false',
  'training.stage2.cfDropout': '0.5',
};
const sets = sample.map((key) => `${key}=${values[key] ?? 3}`);

describe('readsOf', () => {
  it('names nothing but keys of the schema', async () => {
    const known = leaves(configJsonSchema());
    for (const method of METHOD_NAMES) {
      const { config } = await notesOf(minimal(method));
      for (const read of readsOf(config)) {
        expect(
          known.some((key) => key === read || key.startsWith(`${read}.`)),
          `${method}: ${read}`,
        ).toBe(true);
      }
    }
  });

  it('leaves no key that no config of any method reads', async () => {
    const choices = [
      ...METHOD_NAMES.map(minimal),
      'method: instruct\nllm: { path: m }\nprompt: { neighbors: true }\n',
      ...['lightgcn', 'sasrec', 'asvd'].map((model) => `method: ccf\nllm: { path: m }\ncf: { model: ${model} }\n`),
    ];
    const reads = new Set<string>();
    for (const text of choices) for (const read of readsOf((await notesOf(text)).config)) reads.add(read);
    const covered = (key: string) => [...reads].some((read) => key === read || key.startsWith(`${read}.`));
    const rest = leaves(configJsonSchema()).filter((key) => !covered(key));
    expect(rest).toEqual(['extends', 'provenance']);
  });

  it.each([
    ['item-mean', ['baseline.strength', 'evaluation.testRows']],
    ['mean', ['baseline.strength', 'evaluation.testRows']],
    ['running-mean', ['baseline.strength', 'baseline.residualScale', 'evaluation.testRows']],
    [
      'mf',
      [
        'cf.cfDim',
        'cf.epochs',
        'cf.initStd',
        'cf.mf.biases',
        'training.checkpointEvery',
        'evaluation.testRows',
        'evaluation.ranking.negatives',
      ],
    ],
    [
      'sasrec',
      [
        'cf.cfDim',
        'cf.epochs',
        'cf.initStd',
        'cf.sasrec.blocks',
        'training.checkpointEvery',
        'evaluation.testRows',
        'evaluation.ranking.negatives',
      ],
    ],
    [
      'asvd',
      ['cf.cfDim', 'cf.epochs', 'training.checkpointEvery', 'evaluation.testRows', 'evaluation.ranking.negatives'],
    ],
    [
      'tallrec',
      [
        'llm.maxLength',
        'lora.rank',
        'prompt.noun',
        'loss.k',
        'training.checkpointEvery',
        'training.activations',
        'training.stage1.rows',
        'evaluation.validRows',
        'evaluation.testRows',
        'evaluation.batchTokens',
      ],
    ],
    ['api-llm', ['prompt.noun', 'training.stage1.rows', 'evaluation.testRows']],
    [
      'ccf',
      sample.filter(
        (key) =>
          !['baseline.strength', 'baseline.residualScale', 'cf.sasrec.blocks', 'evaluation.ranking.negatives'].includes(
            key,
          ),
      ),
    ],
  ])('%s', async (method, read) => {
    const { unread } = await notesOf(minimal(method), sets);
    const keys = unread.map(({ key }) => key).filter((key) => sample.includes(key));
    expect(sample.filter((key) => !keys.includes(key))).toEqual(read);
  });

  it('counts keys of CF training as unread with cf.run, and those of the vectors as read', async () => {
    const set = ['cf.run=runs/mf', 'cf.cfDim=4', 'cf.mf.biases=true', 'cf.epochs=3', 'cf.patience=2', 'cf.initStd=1'];
    expect(await unreadOf('method: ccf\nllm: { path: m }\n', set)).toEqual(['cf.epochs', 'cf.patience', 'cf.initStd']);
    expect(await unreadOf('method: mf\n', [...set, 'training.checkpointEvery=3'])).toEqual([
      'cf.epochs',
      'cf.patience',
      'cf.initStd',
      'training.checkpointEvery',
    ]);
  });

  it('follows the stages of the strategy', async () => {
    const of = (strategy: string) =>
      unreadOf(`method: ccf\nllm: { path: m }\ntraining: { strategy: ${strategy} }\n`, [
        'training.stage1.rows=3',
        'training.stage2.rows=3',
        'training.stage2.trainCf=false',
        'training.stage2.cfDropout=0.1',
        'training.stage2.userDropout=0.1',
      ]);
    const ofStage2 = ['rows', 'trainCf', 'cfDropout', 'userDropout'].map((key) => `training.stage2.${key}`);
    expect(await of('two-stage')).toEqual([]);
    expect(await of('stage1-only')).toEqual(ofStage2);
    // ALG, GATE and the CF tables are trained with the settings of stage 1.
    expect(await of('end-to-end')).toEqual(['training.stage2.rows']);
  });

  it('is true of a baseline: what it does not read changes nothing, what it reads does', async () => {
    const cwd = await folderWith({ ...inventedMl1m(), 'c.yaml': 'method: mean\ndata: { path: ml-1m }\n' });
    const session = openSession({ cwd });
    const run = async (name: string, set: string[]) =>
      (await runExperiment(await loadConfig('c.yaml', { cwd, set }), session, { run: name })).metrics;
    const { unread } = await loadConfigWithNotes('c.yaml', { cwd, set: sets });
    const without = sets.filter((argument) => unread.some(({ key }) => argument.startsWith(`${key}=`)));
    // All but baseline.strength and evaluation.testRows.
    expect(without.length).toBe(sample.length - 2);
    const plain = await run('plain', []);
    expect(await run('other', without)).toEqual(plain);
    expect(await run('read', ['baseline.strength=50'])).not.toEqual(plain);
  });
});

describe('what is noted', () => {
  it('is one sentence with the first place and every key', async () => {
    const { config, unread, warning } = await notesOf('method: mean\nlora:\n  rank: 4\n  targets: [q_proj, v_proj]\n');
    expect(config.lora.rank).toBe(4);
    expect(unread).toEqual([
      { key: 'lora.rank', place: 'c.yaml:3:3' },
      { key: 'lora.targets', place: 'c.yaml:4:3' },
    ]);
    expect(warning).toBe('c.yaml:3:3: method mean does not read lora.rank, lora.targets; remove them');
  });

  it('counts what is beyond eight names', async () => {
    const keys = ['rank', 'alpha', 'dropout'].map((key) => `lora.${key}=0.5`.replace('rank=0.5', 'rank=2'));
    const more = ['loss.k=1', 'alg.hiddenFactor=2', 'gate.hidden=3', 'cf.cfDim=4', 'cf.epochs=5'];
    const eight = await notesOf('method: mean\n', [...keys, ...more]);
    expect(eight.warning).toMatch(
      /^--set lora\.rank: method mean does not read lora\.rank, .*cf\.epochs; remove them$/,
    );
    const nine = await notesOf('method: mean\n', [...keys, ...more, 'cf.patience=1', 'cf.batchSize=1']);
    expect(nine.unread).toHaveLength(10);
    expect(nine.warning).toMatch(/cf\.epochs and 2 more; remove them$/);
  });

  it('says what else decides', async () => {
    const text = 'method: ccf\nllm: { path: m }\ncf: { run: runs/mf, epochs: 3 }\n';
    expect((await notesOf(text)).warning).toBe(
      'c.yaml:3:21: method ccf with cf.run does not read cf.epochs; remove it',
    );
    expect((await notesOf('method: tallrec\nllm: { path: m }\ntraining: { stage2: { rows: 3 } }\n')).warning).toBe(
      'c.yaml:3:23: method tallrec with training.strategy stage1-only does not read training.stage2.rows; remove it',
    );
  });

  it('names a key of the file and of --set once, an empty section by its name, and what an alias stands for', async () => {
    expect(await unreadOf('method: mean\nlora: { rank: 4 }\n', ['lora.rank=5'])).toEqual(['lora.rank']);
    expect(await unreadOf('method: mean\nlora: {}\nevaluation: {}\n')).toEqual(['lora']);
    const alias = 'method: tallrec\nllm: { path: m }\ntraining: { stage1: &s { rows: 3 }, stage2: *s }\n';
    expect((await notesOf(alias)).unread).toEqual([{ key: 'training.stage2.rows', place: 'c.yaml:3:37' }]);
  });

  it('leaves out keys of files that are extended, but not what the file says over them', async () => {
    const files = {
      'base.yaml': 'lora: { rank: 4, alpha: 8 }\nbaseline: { residualScale: 2 }\n',
      'c.yaml': 'extends: base.yaml\nmethod: mean\n',
      'own.yaml': 'extends: base.yaml\nmethod: mean\nlora: { alpha: 9 }\n',
    };
    const cwd = await folderWith(files);
    expect(await loadConfigWithNotes('c.yaml', { cwd })).toMatchObject({ unread: [], warning: null });
    const { unread, config } = await loadConfigWithNotes('own.yaml', { cwd });
    expect(unread).toEqual([{ key: 'lora.alpha', place: 'own.yaml:3:9' }]);
    expect(config.lora).toMatchObject({ rank: 4, alpha: 9 });
  });

  it('is nothing for the config.yaml of a run, which holds all keys; --set still counts', async () => {
    const { config } = await notesOf('method: mean\n');
    const text = stringify({ ...config, provenance: { crossgate: '0.1.0' } });
    expect((await notesOf(text)).unread).toEqual([]);
    expect(await unreadOf(text, ['lora.rank=4'])).toEqual(['lora.rank']);
  });

  it('is an InputError when strict, for the library as well; a clean config passes', async () => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\nlora: { rank: 4 }\n', 'd.yaml': 'method: mean\n' });
    const message = 'c.yaml:2:9: method mean does not read lora.rank; remove it';
    await expect(loadConfig('c.yaml', { cwd, strict: true })).rejects.toMatchObject({
      ...{ name: 'InputError', message, code: 'config.unread-key', place: 'c.yaml:2:9', fix: 'remove it' },
    });
    await expect(loadConfig('c.yaml', { cwd })).resolves.toMatchObject({ method: 'mean' });
    await expect(loadConfig('d.yaml', { cwd, strict: true })).resolves.toMatchObject({ method: 'mean' });
  });
});

describe('the configs of the repository', async () => {
  const files = (await readdir(configs, { recursive: true })).filter((name) => name.endsWith('.yaml'));
  // Only extended: they name no method.
  const experiments = files.filter((name) => !/(^|\/)(base|stories260k|smollm2)\.yaml$/.test(name));

  it.each(experiments)('%s has no key that its method does not read', async (file) => {
    const { warning } = await loadConfigWithNotes(file, { cwd: configs, strict: true });
    expect(warning).toBeNull();
  });
});
