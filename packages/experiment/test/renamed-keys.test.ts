/** Old names of keys: refused in what people write, understood in the config.yaml of a run. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { compareRuns, configJsonSchema, loadConfig, openRun, openSession, RunFolder, runExperiment } from '../src';
import type { JsonSchema } from '../src/config';
import type { Plain } from '../src/config/plain';
import { moveRenamedKeys, renamedKeys } from '../src/config/renamed';

const results = join(import.meta.dirname, '../../../docs/results');

/** What the schema says of a dotted path. */
function schemaAt(path: string): JsonSchema | undefined {
  return path.split('.').reduce<JsonSchema | undefined>((node, key) => node?.properties?.[key], configJsonSchema());
}

/** A config as an older program wrote it: every key that moved under its old name. */
function older(config: object): Plain {
  const tree = structuredClone(config) as { training: Plain & { stage2: Plain }; cf: Plain; llm: Plain } & Plain;
  const { checkpointEvery, activations, stage2, ...training } = tree.training;
  const { cfDropout, userDropout, ...rest } = stage2;
  return {
    ...tree,
    cf: { ...tree.cf, dropout: cfDropout, userDropout },
    llm: { ...tree.llm, activations },
    training: { ...training, stage2: rest },
    checkpoint: { everySteps: checkpointEvery },
  };
}

describe('old names of keys', () => {
  it('are none of the schema, and their new names are', () => {
    for (const [old, now] of Object.entries(renamedKeys)) {
      expect(schemaAt(old), old).toBeUndefined();
      expect(schemaAt(now)?.description, now).toBeTruthy();
    }
  });

  it.each([
    ['method: mf\ncf:\n  dropout: 0.2\n', 'c.yaml:3:3: cf.dropout is now training.stage2.cfDropout; rename it'],
    [
      'method: mf\ncf: { userDropout: null }\n',
      'c.yaml:2:7: cf.userDropout is now training.stage2.userDropout; rename it',
    ],
    ['method: mf\nllm: { activations: f16 }\n', 'c.yaml:2:8: llm.activations is now training.activations; rename it'],
    [
      'method: mf\ncheckpoint: { everySteps: 5 }\n',
      'c.yaml:2:15: checkpoint.everySteps is now training.checkpointEvery; rename it',
    ],
  ])('are refused in a file and in one that it extends: %j', async (text, message) => {
    const cwd = await folderWith({ 'c.yaml': text, 'child.yaml': 'extends: c.yaml\n' });
    await expect(loadConfig('c.yaml', { cwd })).rejects.toMatchObject({
      code: 'config.unknown-key',
      fix: 'rename it',
      message,
    });
    await expect(loadConfig('child.yaml', { cwd })).rejects.toMatchObject({
      code: 'config.unknown-key',
      fix: 'rename it',
      message,
    });
  });

  it.each(Object.entries(renamedKeys))('%s is refused by --set', async (old, now) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mf\n' });
    await expect(loadConfig('c.yaml', { cwd, set: [`${old}=1`] })).rejects.toThrow(
      `--set ${old}: ${old} is now ${now}; rename it`,
    );
  });

  it('are refused beside the new name, too', async () => {
    const cwd = await folderWith({
      'c.yaml': 'method: mf\ntraining: { activations: f16 }\nllm: { activations: f32 }\n',
    });
    await expect(loadConfig('c.yaml', { cwd })).rejects.toThrow(
      'c.yaml:3:8: llm.activations is now training.activations',
    );
  });
});

describe('moveRenamedKeys', () => {
  it('moves values, keeps their neighbors, drops a section that is empty then', () => {
    const tree = {
      cf: { dropout: 0.2, userDropout: null, cfDim: 4 },
      llm: { activations: 'f16' },
      checkpoint: { everySteps: 7 },
      training: { stage2: { rows: 3 } },
    };
    moveRenamedKeys(tree);
    expect(tree).toEqual({
      cf: { cfDim: 4 },
      training: { activations: 'f16', checkpointEvery: 7, stage2: { rows: 3, cfDropout: 0.2, userDropout: null } },
    });
  });

  it('leaves a tree without old names alone, and a new name as it is', () => {
    const tree = { method: 'mf', cf: null, llm: {}, training: { checkpointEvery: 3 } };
    moveRenamedKeys(tree);
    expect(tree).toEqual({ method: 'mf', cf: null, llm: {}, training: { checkpointEvery: 3 } });
    const both = { checkpoint: { everySteps: 9, other: 1 }, training: { checkpointEvery: 3 } };
    moveRenamedKeys(both);
    expect(both).toEqual({ checkpoint: { other: 1 }, training: { checkpointEvery: 3 } });
  });

  it('moves the place along, so that a wrong value is still found', async () => {
    const cwd = await folderWith({ 'config.yaml': 'method: mf\nprovenance: {}\ncheckpoint:\n  everySteps: 0\n' });
    await expect(loadConfig('config.yaml', { cwd })).rejects.toThrow('config.yaml:4:3: training.checkpointEvery: ');
  });
});

describe('a run of an older program', () => {
  async function runOf(set: readonly string[] = []) {
    const cwd = await folderWith({ ...inventedMl1m(), 'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n' });
    const session = openSession({ cwd });
    const config = await loadConfig('mean.yaml', { cwd, set });
    const result = await runExperiment(config, session, { run: 'r' });
    const file = join(cwd, 'r/config.yaml');
    const today = await readFile(file, 'utf8');
    const stored = older(parse(today));
    expect(Object.keys(stored)).toContain('checkpoint');
    await writeFile(file, stringify(stored));
    return { cwd, session, config, result, file, today };
  }

  it('is opened, trained again, resumed, and compared with one of today', async () => {
    const set = ['training.checkpointEvery=7', 'training.stage2.cfDropout=0.5', 'training.activations=f16'];
    const { cwd, session, config, result, file, today } = await runOf(set);
    const open = await openRun(session, 'r', []);
    expect(open.method).toBe('mean');
    await open.scorer.close();
    expect(await loadConfig('r/config.yaml', { cwd })).toEqual(config);
    const again = await runExperiment(await loadConfig('r/config.yaml', { cwd, seed: 2 }), session, { run: 'again' });
    expect(again.metrics).toEqual(result.metrics);
    const { methods } = await compareRuns(
      ['r', 'again'].map((shown) => ({ shown, path: join(cwd, shown) })),
      'test',
    );
    expect(methods).toHaveLength(1); // One config, two seeds.
    await rm(join(cwd, 'r/result.json'));
    expect(await RunFolder.check(join(cwd, 'r'), config, { resume: true })).toBe('unfinished');
    const resumed = await runExperiment(config, session, { run: 'r', resume: true });
    expect(resumed.metrics).toEqual(result.metrics);
    expect(parse(await readFile(file, 'utf8'))).toEqual(parse(today)); // Written with the new names.
  });

  it('is not resumed with another value under the new name', async () => {
    const { cwd, session, file } = await runOf();
    await rm(join(cwd, 'r/result.json'));
    const before = await readFile(file, 'utf8');
    const other = await loadConfig('mean.yaml', { cwd, set: ['training.checkpointEvery=3'] });
    await expect(runExperiment(other, session, { run: 'r', resume: true })).rejects.toThrow(
      'training.checkpointEvery was 100 and is now 3',
    );
    expect(await readFile(file, 'utf8')).toBe(before);
  });
});

describe('the stored runs of the repository', async () => {
  const files = (await readdir(results, { recursive: true })).filter((name) => name.endsWith('config.yaml'));
  // A model of its own when it was stored; the message says how it is named now.
  const kept = files.filter((name) => !name.includes('asvd-p'));

  it.each(kept)('%s is read', async (file) => {
    const stored = parse(await readFile(join(results, file), 'utf8'));
    const config = await loadConfig(file, { cwd: results });
    if (stored.checkpoint) expect(config.training.checkpointEvery).toBe(stored.checkpoint.everySteps);
    if (stored.cf?.dropout !== undefined) expect(config.training.stage2.cfDropout).toBe(stored.cf.dropout);
  });
});
