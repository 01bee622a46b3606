/** Resuming on a GPU what has changed meanwhile: other weights, other vectors, a checkpoint of something else. */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import { listAdapters } from '@crossgate/gpu/node';
import { encodeState, type HostState, parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { folderWith, inventedMl1m, resumeIfBegun, writeTinyModel } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Outcome, runCli } from './cli';

const adapters = await listAdapters();

const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 2, warmupEpochs: 0, patience: 3 }
training: { checkpointEvery: 1 }
`,
  'tallrec.yaml': `method: tallrec
data: { path: ml-1m }
llm: { path: model }
prompt: { historyLength: 2 }
lora: { rank: 2 }
loss: { name: yes-logit-bce }
training: { strategy: stage1-only, checkpointEvery: 1, stage1: { rows: 8, batchSize: 4, evaluateEvery: 1 } }
evaluation: { validRows: 10, batchTokens: 2000 }
`,
};

function expectBadInput(outcome: Outcome, words: RegExp): void {
  expect({ code: outcome.code, stdout: outcome.stdout }, outcome.stderr).toEqual({ code: 2, stdout: '' });
  expect(outcome.stderr).toMatch(words);
}

async function readState(path: string): Promise<HostState> {
  const source = await openFile(path);
  const { state } = await parseState(source).finally(() => source.close());
  return state;
}

describe.skipIf(adapters.length === 0)('resume on a GPU', () => {
  let cwd: string;
  const at = (name: string) => join(cwd, ...name.split('/'));
  const train = (config: string) => runCli(['train', config, '--run', 'r', ...resumeIfBegun(at('r'))], { cwd });

  /** A run that lost its result, as one that was killed while it wrote its last files. */
  async function unfinished(config: string): Promise<void> {
    const outcome = await train(config);
    expect(outcome.code, outcome.stderr).toBe(0);
    await rm(at('r/result.json'));
  }

  beforeEach(async () => {
    cwd = await folderWith(files);
  });

  it('refuses other weights and another checkpoint, goes on with the same, and tells no place', async () => {
    await writeTinyModel(at('model'));
    await unfinished('tallrec.yaml');
    const text = await readFile(at('r/config.yaml'), 'utf8');
    expect(text).not.toContain(cwd);
    expect(parse(text).provenance).toMatchObject({
      model: { name: 'model', hiddenSize: 16 },
      modelHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });

    const weights = await readFile(at('model/model.safetensors'));
    const other = Buffer.from(weights);
    other[other.length - 1]! ^= 1;
    await writeFile(at('model/model.safetensors'), other);
    expectBadInput(await train('tallrec.yaml'), /was started on other model weights or another tokenizer/);
    await writeFile(at('model/model.safetensors'), weights);

    const last = await readFile(at('r/checkpoints/last.json'), 'utf8');
    const file = JSON.parse(last);
    for (const change of [{ phase: 'other' }, { stage: 1 }, { step: -1 }, { best: {} }, { optimizerSteps: null }]) {
      await writeFile(at('r/checkpoints/last.json'), JSON.stringify({ ...file, state: { ...file.state, ...change } }));
      expectBadInput(await train('tallrec.yaml'), /last\.json: is not a checkpoint \(state\./);
    }
    await writeFile(at('r/checkpoints/last.json'), last);
    const rest = await train('tallrec.yaml');
    expect(rest.code, rest.stderr).toBe(0);
  });

  it('finds vectors of another width in cf.run before it touches the run folder', async () => {
    const mf = await runCli(['train', 'mf.yaml', '--run', 'mf'], { cwd });
    expect(mf.code, mf.stderr).toBe(0);
    await mkdir(at('out'));
    const before = (await stat(at('out'))).mtimeMs;
    const set = ['--set', 'cf.run=mf', '--set', 'cf.cfDim=5'];
    const outcome = await runCli(['train', 'mf.yaml', '--run', 'out', ...set], { cwd });
    expectBadInput(outcome, /cf\.run: mf has vectors of width 6, but cf\.cfDim is 5/);
    expect((await stat(at('out'))).mtimeMs).toBe(before);
  });

  it('checks the vectors of its own cf.safetensors as it does those of cf.run', async () => {
    await unfinished('mf.yaml');
    const path = at('r/cf.safetensors');
    const state = await readState(path);
    const changed = (width: number, users: number): HostState => {
      const [userRows, itemRows] = [state.get('user_seen')!.shape[0]! + users, state.get('item_seen')!.shape[0]!];
      return new Map(
        Object.entries({
          'user_embedding.weight': { shape: [userRows, width], data: new Float32Array(userRows * width) },
          'item_embedding.weight': { shape: [itemRows, width], data: new Float32Array(itemRows * width) },
          user_seen: { shape: [userRows], data: new Float32Array(userRows) },
          item_seen: { shape: [itemRows], data: new Float32Array(itemRows) },
        }),
      );
    };
    await writeAtomic(path, encodeState(changed(5, 0)));
    expectBadInput(await train('mf.yaml'), /cf\.safetensors: has vectors of width 5, but cf\.cfDim is 6/);
    await writeAtomic(path, encodeState(changed(6, 1)));
    expectBadInput(await train('mf.yaml'), /cf\.safetensors: has 15 users and 9 items, but the data set has 14 and 9/);
    await writeAtomic(path, encodeState(state, { details: '{"model": ' }));
    expectBadInput(await train('mf.yaml'), /cf\.safetensors: its details are not a JSON object/);
    await writeAtomic(path, encodeState(state));
    const rest = await train('mf.yaml');
    expect(rest.code, rest.stderr).toBe(0);
  });
});
