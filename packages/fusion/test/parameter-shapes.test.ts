// Shapes told before anything is allocated are those of the parameters that are made.
import { MatrixFactorization, matrixFactorizationShapes } from '@crossgate/cf';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { LoraAdapters, loraParameterShapes } from '@crossgate/llm';
import { type ParameterGroup, RandomStream } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AlignmentAndGate, fusionParameterShapes, type GateOptions } from '../src';
import { tinyLlama } from './tiny';

const llama = { ...tinyLlama, architecture: 'llama', maxPositions: 64, bosTokenId: null, eosTokenIds: [] };
const shapesOf = (group: ParameterGroup) => group.parameters.map(({ name, shape }) => [name, [...shape]]);

describe('parameter shapes', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.destroy());

  const shape = { cfDim: 6, hiddenSize: 16 };
  const alignment = { hiddenFactor: 2.5, init: 'torch' } as const;
  it.each([
    ['dimension', 8, 12],
    ['token', 8, 12],
    ['dimension', null, 8],
    ['one', 8, 4],
  ] as const)('of ALG and a gate of width %s with hidden layer %s', (width, hidden, count) => {
    const gate: GateOptions = { hidden, width, activation: 'none', init: 'default' };
    const shapes = [...fusionParameterShapes(shape, alignment, gate)];
    expect(shapes).toHaveLength(count);
    expect(shapes.slice(0, 2)).toEqual([
      ['alg.hidden.weight', [15, 6]],
      ['alg.hidden.bias', [15]],
    ]);
    const { group } = new AlignmentAndGate(device, shape, alignment, gate, new RandomStream(1, 'fusion'));
    expect(shapesOf(group)).toEqual(shapes);
    group.release();
  });

  it('of LoRA', () => {
    const options = { rank: 3, alpha: 6, dropout: 0, targets: ['v_proj', 'down_proj'] };
    const shapes = [...loraParameterShapes(llama, options)];
    const { hiddenSize, intermediateSize, layers } = tinyLlama;
    expect(shapes).toHaveLength(4 * layers);
    expect(shapes).toContainEqual(['model.layers.0.mlp.down_proj.lora_A.weight', [3, intermediateSize]]);
    expect(shapes).toContainEqual(['model.layers.0.mlp.down_proj.lora_B.weight', [hiddenSize, 3]]);
    const { group } = new LoraAdapters(device, llama, options, new RandomStream(1, 'lora'));
    expect(shapesOf(group)).toEqual(shapes);
    group.release();
  });

  it.each([false, true])('of MF, with biases: %s', (biases) => {
    const shapes = [...matrixFactorizationShapes(2, 3, 4, biases)];
    expect(shapes.map(([, sizes]) => sizes.join())).toEqual(['3,4', '4,4', ...(biases ? ['3,1', '4,1', '1,1'] : [])]);
    const [userSeen, itemSeen] = [Uint8Array.of(0, 1, 1), Uint8Array.of(0, 1, 1, 1)];
    const model = MatrixFactorization.create(device, { cfDim: 4, seed: 1, userSeen, itemSeen, biases });
    expect(shapesOf(model.group)).toEqual(shapes);
    model.release();
  });
});
