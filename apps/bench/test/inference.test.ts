/** scoring and loading on tiny models: what is compared is the same work, and reports say what was measured. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { encodeWeights, huggingFaceConfig, LlamaModel } from '@crossgate/llm';
import { createContext } from '@crossgate/terminal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatLoadingReport, runLoadingCommand } from '../src/commands/loading';
import { formatScoringReport } from '../src/commands/scoring';
import { measureOpening } from '../src/loading/interactions';
import { measureLoading } from '../src/loading/measure';
import { type ModelSizes, randomModel } from '../src/random-model';
import { measureScoring } from '../src/scoring/measure';
import { inventedTitles, pairTokenizer } from '../src/scoring/prompts';

const tiny: ModelSizes = {
  ...{ name: 'tiny', hiddenSize: 16, intermediateSize: 24, layers: 2, heads: 2, keyValueHeads: 1, vocabSize: 64 },
};
const { signal } = new AbortController();
const machine = { system: 's', cpu: 'c', cores: 2, memoryBytes: 1, node: '20' };
const adapter = { name: 'a', vendor: 'v', driver: 'd', type: 'software' } as const;

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice();
  folder = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
});
afterAll(async () => {
  device.destroy();
  await rm(folder, { recursive: true, force: true });
});

describe('scoring', () => {
  it('measures both ways on text and fused prompts, with equal scores', async () => {
    const llm = await LlamaModel.load(device, randomModel(tiny, 1));
    const options = { candidates: 5, history: 2, repeats: 1, seed: 1, signal };
    const results = await measureScoring(llm, pairTokenizer(64), 'tiny', options);
    llm.release();
    expect(results.map(({ variant }) => variant)).toEqual([
      ...['whole prompts', 'shared prefix', 'whole prompts', 'shared prefix'],
    ]);
    for (const [index, whole] of results.entries()) {
      if (index % 2 === 1) continue;
      const shared = results[index + 1]!;
      expect(shared.shape).toBe(whole.shape);
      expect(shared.tokens).toBeLessThan(whole.tokens / 2);
      expect(shared.maxDifference).toBeLessThan(1e-4);
      expect(shared.ratio).toBeCloseTo(whole.ms / shared.ms, 6);
      expect(whole.candidatesPerSecond).toBeCloseTo(5000 / whole.ms, 6);
    }
    expect(results[2]!.shape).toMatch(/^tiny, ccf: 5 candidates behind 2 titles, \d+ of \d+ tokens shared$/);
    const fma = { gflops: 50, accumulators: 8, unroll: 1, vector: false };
    const report = {
      ...{ machine, adapter, ceilings: { fma, copy: { bytes: 1, gbps: 1 }, copies: [] } },
      results: results.map((result) => ({ ...result, ceiling: 50, ofCeiling: result.gflops / 50 })),
    };
    expect(formatScoringReport(report)).toMatch(/scoring +variant +ms .*\n.*whole prompts.* 1\.00x\n.*shared prefix/);
  });

  it('invents titles that differ, and tokens within the vocabulary', () => {
    const titles = inventedTitles(300, 1);
    expect(new Set(titles).size).toBe(301);
    expect(inventedTitles(300, 1)).toEqual(titles);
    const tokens = titles.flatMap((title) => pairTokenizer(64).encode(title));
    expect(Math.max(...tokens)).toBeLessThan(64);
    expect(Math.min(...tokens)).toBeGreaterThanOrEqual(4);
  });
});

describe('loading', () => {
  it('loads what a plain read reads, and gives everything back', async () => {
    const source = randomModel(tiny, 1);
    const file = join(folder, 'model.safetensors');
    await writeAtomic(file, encodeWeights(source, 'F16'));
    await writeFile(join(folder, 'config.json'), JSON.stringify(huggingFaceConfig(source.config, 'F16')));
    const [model, plain] = await measureLoading(device, folder, [file], 'f32', 2);
    expect(model).toMatchObject({
      name: 'loading',
      variant: 'model',
      dtype: 'F16',
      shape: expect.stringMatching(/as f32$/),
    });
    expect(plain).toMatchObject({ variant: 'plain read', ratio: 1 });
    expect(model!.ratio).toBeCloseTo(plain!.ms / model!.ms, 6);
    expect(model!.gbps * model!.ms).toBeCloseTo(plain!.gbps * plain!.ms, 6);
    expect(device.report().persistent.weights ?? 0).toBe(0);
    expect(model!.cpuMs).toBeGreaterThan(0);
    expect(formatLoadingReport({ machine, adapter, results: [model!, plain!] })).toMatch(/cpu ms .*of a plain read/);
  });

  it('opens a generated data set, whole and valid, and prints it without an adapter', async () => {
    const results = await measureOpening(1234, 2);
    expect(results.map(({ variant }) => variant)).toEqual(['data set', 'plain read']);
    const [opened, plain] = results;
    expect(opened!.shape).toMatch(/^1234 interactions, \d+ MB$/);
    expect(opened!.ratio).toBeCloseTo(plain!.ms / opened!.ms, 6);
    const text = formatLoadingReport({ machine, adapter: null, results });
    expect(text).toMatch(new RegExp(`^${machine.cpu}`));
    expect(text).toMatch(/1234 interactions, \d+ MB +columns +data set/);
  });

  it('refuses what is no model, and nothing', async () => {
    const { stdin, stdout, stderr } = process;
    const io = { stdin, stdout, stderr, stderrIsTerminal: false, env: {}, cwd: process.cwd(), signal };
    const context = createContext(io, {});
    await expect(runLoadingCommand(context, {}, ['nothing-here'])).rejects.toThrow(
      /nothing-here: there is no such model/,
    );
    await expect(runLoadingCommand(context, {}, [])).rejects.toThrow(/nothing to load; name model folders/);
    const empty = await mkdtemp(join(folder, 'empty-'));
    await expect(runLoadingCommand(context, {}, [empty])).rejects.toThrow(/is not a model folder/);
  });
});
