/** What the plan says of Vicuna-7B, with LoRA as the paper has it, on three prompts of 700 tokens. No GPU is needed. */
import { readFile } from 'node:fs/promises';
import { type LlamaConfig, loraParameterShapes, type WeightStorage, weightBytes } from '@crossgate/llm';
import { describe, expect, it } from 'vitest';
import { planMemory } from '../src';

const vicuna: LlamaConfig = {
  architecture: 'llama',
  vocabSize: 32_000,
  hiddenSize: 4096,
  intermediateSize: 11_008,
  layers: 32,
  heads: 32,
  keyValueHeads: 32,
  headDim: 128,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10_000,
  maxPositions: 4096,
  tieWordEmbeddings: false,
  bosTokenId: 1,
  eosTokenIds: [2],
};
const lora = [...loraParameterShapes(vicuna, { rank: 8, targets: ['q_proj', 'v_proj'] }).values()];
const parameters = lora.reduce((sum, [rows, columns]) => sum + rows * columns, 0);

function gibibytes(storage: WeightStorage, checkpointing: boolean, activations: 'f32' | 'f16' = 'f32'): number {
  const plan = planMemory({
    ...{ llm: vicuna, maxPositions: 700, parameters, trained: parameters, loraRank: 8 },
    ...{ tokens: 3 * 700, prompts: 3, weightBytes: weightBytes(vicuna, storage), checkpointing },
    activations,
  });
  return plan.total / 2 ** 30;
}

describe('Vicuna-7B with LoRA, 3 prompts of 700 tokens', () => {
  it.each<[WeightStorage, boolean, number]>([
    ['f16', true, 24],
    ['int8', true, 12],
    ['int4', true, 8],
  ])('in %s, checkpointing %s, fits %i GiB', (storage, checkpointing, most) => {
    expect(gibibytes(storage, checkpointing)).toBeLessThan(most);
  });

  it('needs both: neither f32 nor int4 without checkpointing fits', () => {
    expect(gibibytes('f32', true)).toBeGreaterThan(24);
    expect(gibibytes('f16', false)).toBeGreaterThan(24);
    expect(gibibytes('int4', false)).toBeGreaterThan(8);
  });

  it('fits 24 GiB without checkpointing, weights and activations in f16', () => {
    expect(gibibytes('f16', false, 'f16')).toBeLessThan(24);
    expect(gibibytes('f16', false) - gibibytes('f16', false, 'f16')).toBeGreaterThan(6);
  });

  it.each(['f32', 'f16', 'int8', 'int4'] as const)('in %s takes what docs/models.md says', async (storage) => {
    const page = await readFile(new URL('../../../docs/models.md', import.meta.url), 'utf8');
    const [, plain, frugal] = new RegExp(`^\\| ${storage} \\| ([\\d.]+) \\| ([\\d.]+) \\|$`, 'm').exec(page)!;
    expect(Number(plain)).toBeCloseTo(gibibytes(storage, false), 0);
    expect(Number(frugal)).toBeCloseTo(gibibytes(storage, true), 0);
  });
});
