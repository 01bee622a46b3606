/** A session opens the device and a language model once; its runs leave nothing behind, and give the bits of runs alone. */
import { createHash } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { LlamaModel } from '@crossgate/llm';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadConfig, openRun, openSession, runExperiment, runGrid, type Session } from '../src';

const adapters = await listAdapters();

const stages = { rows: 12, batchSize: 4 };
const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 2, batchSize: 16 }\n',
  'ccf.yaml': `extends: mf.yaml
method: ccf
llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
prompt: { historyLength: 2 }
training: ${JSON.stringify({ stage1: stages, stage2: stages })}
`,
  'tallrec.yaml': `method: tallrec
data: { path: ml-1m }
llm: { path: model }
lora: { rank: 2 }
prompt: { historyLength: 2 }
training: ${JSON.stringify({ stage1: stages })}
`,
};

async function world(): Promise<string> {
  const cwd = await folderWith(files);
  await writeTinyModel(join(cwd, 'model'));
  return cwd;
}

const predictionsOf = async (cwd: string, run: string) =>
  createHash('sha256')
    .update(await readFile(join(cwd, run, 'predictions', 'test.csv')))
    .digest('hex');

/** Bytes that stay on the device by purpose, weights and their angles apart. */
async function left(session: Session): Promise<Record<string, number>> {
  const { weights: _, ...others } = (await session.device()).report().persistent;
  return others;
}

afterEach(() => vi.restoreAllMocks());

describe.skipIf(adapters.length === 0)('a session', { timeout: 240_000 }, () => {
  it('loads a model once for runs of several methods, which give the bits of runs alone and leave nothing', async () => {
    const cwd = await world();
    const alone = async (name: string) => {
      const session = openSession({ cwd });
      await runExperiment(await loadConfig(`${name}.yaml`, { cwd }), session, { run: `alone-${name}` });
      await session.close();
      return predictionsOf(cwd, `alone-${name}`);
    };
    const expected = { ccf: await alone('ccf'), tallrec: await alone('tallrec') };
    const load = vi.spyOn(LlamaModel, 'load');
    const session = openSession({ cwd });
    const configs = Object.fromEntries(
      await Promise.all(
        ['mf', 'ccf', 'tallrec'].map(async (name) => [name, await loadConfig(`${name}.yaml`, { cwd })]),
      ),
    );
    const results = await runGrid(configs, session, {
      folder: 'g',
      seeds: [1, 2],
      name: (key, seed) => `${key}-${seed}`,
      onResult: () => {},
    });
    expect(load).toHaveBeenCalledTimes(1);
    expect(await left(session)).toEqual({});
    expect(await predictionsOf(cwd, 'g/ccf-1')).toBe(expected.ccf);
    expect(await predictionsOf(cwd, 'g/tallrec-1')).toBe(expected.tallrec);
    expect(await predictionsOf(cwd, 'g/ccf-2')).not.toBe(expected.ccf);
    // What a run used is what it uses alone.
    const memory = ({ details }: { details: Readonly<Record<string, unknown>> }) =>
      (details.memory as { used: { step: { peak: number }; persistent: object } }).used;
    const aloneResult = JSON.parse(await readFile(join(cwd, 'alone-ccf', 'result.json'), 'utf8'));
    const ccf = results.find(({ cell }) => cell.run === join('g', 'ccf-1'))!.result;
    expect(memory(ccf).step.peak).toBe(memory(aloneResult).step.peak);
    expect(memory(ccf).persistent).toEqual(memory(aloneResult).persistent);
    await session.close();
  });

  it('leaves nothing of a run that was interrupted, and of one that scored', async () => {
    const cwd = await world();
    const ccf = await loadConfig('ccf.yaml', { cwd });
    const stop = new AbortController();
    const interrupted = openSession({
      cwd,
      signal: stop.signal,
      progress: { start: () => ({ update: () => stop.abort(), finish() {} }) },
    });
    // The weights are loaded before the first update, which is of training.
    await interrupted.model(join(cwd, 'model')).then((model) => model.tokenizer());
    await expect(runExperiment(ccf, interrupted, { run: 'r' })).rejects.toMatchObject({ name: 'InterruptedError' });
    expect(await left(interrupted)).toEqual({});
    await interrupted.close();
    const session = openSession({ cwd });
    await runExperiment(ccf, session, { run: 'r', resume: 'if-begun' });
    const { scorer, dataset } = await openRun(session, 'r', []);
    const best = await scorer.best(1, { count: 3, candidates: Int32Array.from({ length: 5 }, (_, i) => i + 1) });
    expect(best.items).toHaveLength(3);
    expect(dataset.name).toBe('ml-1m');
    await scorer.close();
    expect(await left(session)).toEqual({});
    await session.close();
  });

  it('tells once what the files of a model contradict one another in', async () => {
    const cwd = await world();
    const path = join(cwd, 'model');
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    const changed = { ...config, eos_token_id: -1, hyper_connections: 2 };
    await writeFile(join(path, 'config.json'), JSON.stringify(changed));
    const warnings: string[] = [];
    const log = { debug() {}, info() {}, warn: (text: string) => void warnings.push(text), error() {} };
    const session = openSession({ cwd, log });
    for (let run = 0; run < 2; run++) await (await session.model(path)).tokenizer();
    expect(warnings).toEqual([
      expect.stringMatching(/hyper_connections \(2\)/),
      expect.stringMatching(/eos_token_id -1 \(no token\) of config\.json is passed over/),
    ]);
    await session.close();
  });

  it('opens a model again when it is another by its hash', async () => {
    const cwd = await world();
    const session = openSession({ cwd });
    const path = join(cwd, 'model');
    const first = await session.model(path);
    const llm = await first.load('stored');
    expect(await session.model(path)).toBe(first);
    expect(await first.load('stored')).toBe(llm);
    expect(await first.load('f16')).not.toBe(llm);
    await appendFile(join(path, 'tokenizer_config.json'), ' ');
    const second = await session.model(path);
    expect(second).not.toBe(first);
    expect(second.hash).not.toBe(first.hash);
    // The weights of the first are freed.
    expect((await session.device()).report().persistent).toEqual({});
    await session.close();
  });
});
