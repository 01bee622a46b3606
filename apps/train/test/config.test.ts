/** Config files: extends, merge, --set, defaults, the schema, and every config of the repository. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { configJsonSchema, loadConfig } from '@crossgate/experiment';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from './cli';

const configs = join(import.meta.dirname, '../../../configs');

describe('loadConfig', () => {
  it('fills in the paper defaults and names the experiment after its file', async () => {
    const cwd = await folderWith({ 'mine.yaml': 'method: mean\n' });
    const config = await loadConfig('mine.yaml', { cwd });
    expect(config.name).toBe('mine');
    expect(config.cf.cfDim).toBe(128);
    expect(config.training.stage2.trainCf).toBe(true);
    expect(config.training.stage1.learningRate).toBe(1e-4);
    expect(config.training.stage1.batchSize).toBe(3);
    expect(config.gate).toEqual({ hidden: 256, activation: 'none', init: 'default', width: 'dimension' });
    expect(config.loss).toEqual({ name: 'eq5', k: 2, bprOn: 'probability' });
    expect(config.lora.targets).toEqual(['q_proj', 'v_proj']);
  });

  it('merges parents in order, the file over them, --set over the file, --seed over all', async () => {
    const cwd = await folderWith({
      'a.yaml': 'method: mean\ncf: { cfDim: 1, epochs: 1, patience: 1 }\nlora: { targets: [q_proj, k_proj] }\n',
      'sub/b.yaml': 'cf: { epochs: 2, patience: 2 }\n',
      'sub/c.yaml': 'extends: [../a.yaml, b.yaml]\ncf: { patience: 3 }\nlora: { targets: [o_proj] }\nseed: 4\n',
    });
    const config = await loadConfig('sub/c.yaml', { cwd, set: ['cf.batchSize=8', 'gate.hidden=null'], seed: 9 });
    expect(config.cf).toMatchObject({ cfDim: 1, epochs: 2, patience: 3, batchSize: 8 });
    expect(config.lora.targets).toEqual(['o_proj']);
    expect(config.gate.hidden).toBeNull();
    expect(config.seed).toBe(9);
  });

  it('keeps the places that share a YAML anchor apart when one is overridden', async () => {
    const cwd = await folderWith({
      'a.yaml': 'method: mean\ntraining: { stage1: &s { rows: 5 }, stage2: *s }\n',
      'b.yaml': 'extends: a.yaml\ntraining: { stage2: { rows: 6, trainCf: false } }\n',
    });
    const { stage1, stage2 } = (await loadConfig('b.yaml', { cwd })).training;
    expect([stage1.rows, stage2.rows]).toEqual([5, 6]);
  });

  it('reads the config.yaml of a run again', async () => {
    const cwd = await folderWith({ 'mine.yaml': 'method: mean\nprovenance: { adapter: null }\n' });
    expect(await loadConfig('mine.yaml', { cwd })).not.toHaveProperty('provenance');
  });
});

describe('the configs of the repository', async () => {
  const files = (await readdir(configs, { recursive: true })).filter((name) => name.endsWith('.yaml'));
  const experiments = files.filter((name) => !/(^|\/)(base|stories260k|smollm2)\.yaml$/.test(name));

  it.each(experiments)('%s resolves', async (file) => {
    const config = await loadConfig(join(configs, file), { cwd: configs });
    expect(file).toContain(config.name);
  });

  it('hold the main job: both stages in one sample of at least 12,000 rows, 1,500 validation rows', async () => {
    const config = await loadConfig('ml-1m/ccf-mf-stories260k.yaml', { cwd: configs });
    for (const stage of [config.training.stage1, config.training.stage2]) {
      expect(stage.rows === null || stage.rows >= 12_000).toBe(true);
      expect(stage.schedule).toBe('cosine');
    }
    expect(config.training.stage2.trainCf).toBe(true);
    expect(config.evaluation.validRows).toBe(1500);
  });
});

describe('config commands', () => {
  it('show prints what loads to the same config, as YAML and as JSON', async () => {
    const cwd = await folderWith({ 'mine.yaml': 'method: mf\n' });
    const config = await loadConfig('mine.yaml', { cwd, set: ['cf.cfDim=7'] });
    const text = await runCli(['config', 'show', 'mine.yaml', '--set', 'cf.cfDim=7'], { cwd });
    expect(text.code).toBe(0);
    expect(parse(text.stdout)).toEqual(config);
    const json = await runCli(['--json', 'config', 'show', 'mine.yaml', '--set', 'cf.cfDim=7'], { cwd });
    expect(JSON.parse(json.stdout)).toEqual(config);
  });

  it('schema describes every key and requires none', async () => {
    const cwd = await folderWith();
    const { stdout, code } = await runCli(['config', 'schema'], { cwd });
    expect(code).toBe(0);
    const schema = JSON.parse(stdout) as ReturnType<typeof configJsonSchema>;
    expect(schema).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
    expect(schema.required).toBeUndefined();
    const undescribed: string[] = [];
    const walk = (node: ReturnType<typeof configJsonSchema>, path: string): void => {
      for (const [key, child] of Object.entries(node.properties ?? {})) {
        if (typeof child.description !== 'string') undescribed.push(`${path}${key}`);
        walk(child, `${path}${key}.`);
      }
    };
    walk(schema, '');
    expect(undescribed).toEqual([]);
    expect(schema.properties?.training?.properties?.stage2?.properties?.trainCf).toMatchObject({ type: 'boolean' });
  });
});
