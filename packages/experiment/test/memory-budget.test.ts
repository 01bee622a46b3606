/** The memory that a training is predicted to take: the tables of its own CF model, and the stage that takes most. */
import { sasRecShapes } from '@crossgate/cf';
import {
  ccf,
  fusionParameterShapes,
  type HybridModel,
  type PromptBuilder,
  stagesOf,
  tallrec,
  usesCf,
} from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import { expectedTensors, type LlamaConfig } from '@crossgate/llm';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../src/config/schema';
import { checkBudget, predictBatches, predictTraining } from '../src/runners/memory-budget';
import { cfMemory } from '../src/runners/parameter-sizes';
import type { RunnerContext } from '../src/runners/runner';

const llm: LlamaConfig = {
  ...{ architecture: 'llama', vocabSize: 64, hiddenSize: 16, intermediateSize: 24, layers: 2, heads: 2 },
  ...{ keyValueHeads: 1, headDim: 8, rmsNormEpsilon: 1e-5, ropeTheta: 10000, tieWordEmbeddings: true },
  ...{ maxPositions: 64, bosTokenId: null, eosTokenIds: [] },
};
const [users, items, cfDim] = [300, 70, 8];
// No rows: only the parameters are predicted, and no prompt is built.
const dataset = { userCount: users, itemCount: items, splits: { train: { rows: 0 } } } as RunnerContext['dataset'];
const builders = [{}, {}] as PromptBuilder[];

function configOf(cf: object = {}, training: object = {}) {
  return configSchema.parse({
    name: 'test',
    method: 'ccf',
    data: {},
    cf: { cfDim, ...cf },
    lora: { rank: 2 },
    training,
  });
}
const predictWith = (
  config: ReturnType<typeof configOf>,
  source: Parameters<typeof predictTraining>[2],
  method = ccf,
  contexts = usesCf(method) ? [{ config }] : [],
) => predictTraining({ dataset }, config, source, builders, method, contexts)!;
const plan = (cf: object = {}, training: object = {}, method = ccf) =>
  predictWith(configOf(cf, training), { config: llm, tensors: new Map() }, method);

describe('predictTraining', () => {
  it('counts the tables of the CF model that is trained', () => {
    const tables = cfDim * (users + 1 + items + 1);
    const mf = plan({ model: 'mf' });
    expect(plan({ mf: { biases: true } }).parameters - mf.parameters).toBe(8 * (users + 1 + items + 1 + 1));
    const sasrec = { historyLength: 5, blocks: 1, heads: 1, norm: 'pre' } as const;
    const sequential = plan({ model: 'sasrec', sasrec });
    const shapes = [...sasRecShapes(items, { cfDim, ...sasrec }).values()];
    const sasRec = shapes.reduce((sum, shape) => sum + shape.reduce((product, length) => product * length, 1), 0);
    expect(mf.parameters - sequential.parameters).toBe(8 * (tables - sasRec));
    expect(plan({}, { strategy: 'stage1-only' }, tallrec).parameters).toBeLessThan(mf.parameters - 8 * tables);
  });

  it('counts the graph of LightGCN with its propagated tables, and the factors of asymmetric SVD', () => {
    const { cf, ...mf } = plan({ model: 'mf', mf: { biases: true } });
    expect(cf).toBe(0);
    expect(plan({ model: 'asvd' }).cf).toBe(4 * cfDim * (items + 1));
    const label = Uint8Array.of(1, 0, 1, 1, 0);
    const of = (rows: number) => {
      const data = { ...dataset, splits: { train: { rows, label } } } as unknown as RunnerContext['dataset'];
      return cfMemory(configOf({ model: 'lightgcn' }).cf, data).persistent;
    };
    expect(plan({ model: 'lightgcn' }).cf).toBe(of(0));
    // An offset per row and one more; two edges more than the one that there must be.
    expect(of(0)).toBe(4 * cfDim * (users + 1 + items + 1) + 4 * (users + 2 + items + 2) + 16);
    expect(of(5) - of(0)).toBe(2 * 16);
    expect(mf.total).toBe(mf.weights + mf.parameters + mf.optimizer + mf.step);
    const lightGcn = plan({ model: 'lightgcn' });
    const { weights, parameters, optimizer, step } = lightGcn;
    expect(lightGcn.total).toBe(weights + parameters + optimizer + lightGcn.cf + step);
  });

  it('adds up both backends of a method', () => {
    const config = configOf();
    const [one, two] = [1, 2].map((count) =>
      predictWith(config, { config: llm, tensors: new Map() }, ccf, Array(count).fill({ config })),
    );
    const fusion = fusionParameterShapes({ cfDim, hiddenSize: llm.hiddenSize }, config.alg, config.gate);
    const values = [...fusion.values()].reduce(
      (sum, shape) => sum + shape.reduce((product, length) => product * length, 1),
      0,
    );
    expect(two!.parameters - one!.parameters).toBe(8 * (values + cfDim * (users + 1 + items + 1)));
  });

  it('counts moments of what one stage trains together', () => {
    const frozen = plan({}, { stage2: { trainCf: false } });
    const two = plan();
    expect(two.optimizer - frozen.optimizer).toBe(8 * cfDim * (users + 1 + items + 1));
    const together = plan({}, { strategy: 'end-to-end' });
    expect(together.optimizer).toBe(together.parameters);
    expect(two.optimizer).toBeLessThan(two.parameters);
  });
});

it('knows layers that are kept as they are stored', () => {
  const predict = (dtype: string, config = llm) => {
    const tensors = new Map([...expectedTensors(config)].map(([name, shape]) => [name, { shape, dtype }]));
    return predictWith(configOf(), { config, tensors });
  };
  // The embeddings; two layers: q and o, k and v, three of the feed-forward.
  const values = 64 * 16 + 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 24);
  expect(predict('F32').weights - predict('BF16').weights).toBe(2 * values);
  const wide = { ...llm, hiddenSize: 256, intermediateSize: 256, headDim: 32 };
  expect(predict('Q6_K', wide).weights).toBeLessThan(predict('BF16', wide).weights);
  expect(predict('F64')).toEqual(predict('F32'));
});

describe('checkBudget', () => {
  const sizes: Record<string, number> = { stored: 900, f16: 500, int8: 300, int4: 200 };
  const message = (budget: number, training: object = {}) => {
    try {
      checkBudget({ memory: { budget } } as Device, configOf({}, training), ({ llm: { weights }, training }) => {
        const weightBytes = sizes[weights]! * 2 ** 20;
        const step = (training.checkpointing ? 100 : 300) * 2 ** 20;
        return { weights: weightBytes, parameters: 0, optimizer: 0, cf: 0, step, total: weightBytes + step };
      });
    } catch (error) {
      return (error as Error).message;
    }
    return 'fits';
  };

  it.each([
    [1200, {}, /^fits$/],
    [
      1100,
      {},
      /would take about 1\.2 GiB \(weights 900\.0 MiB.*; with training\.checkpointing: true it would take 1000\.0 MiB; or lower/,
    ],
    [700, {}, /; with training\.checkpointing: true and llm\.weights: f16 it would take 600\.0 MiB; or/],
    [420, { checkpointing: true }, /of 420\.0 MiB; with llm\.weights: int8 it would take 400\.0 MiB; or/],
    [250, {}, /of 250\.0 MiB; lower training\.stage1\.batchSize/],
  ])('says what would fit %i MiB', (budget, training, expected) => {
    expect(message(budget * 2 ** 20, training)).toMatch(expected);
  });
});

describe('predictBatches', () => {
  const group = (count: number) => ({ sections: [{ count }] });
  const model = {
    llm: { config: llm, maxPositions: 64, weightBytes: 4000 },
    groups: () => new Map(Object.entries({ lora: [group(1000)], fusion: [group(500)], cf: [group(100_000)] })),
  } as unknown as HybridModel;
  const stages = stagesOf(ccf, 'two-stage');
  const predict = (tokens: [number, number][]) => predictBatches(model, stages, configOf(), new Map(tokens), []);

  it('takes the stage with the largest total, not the one with most tokens', () => {
    const [first, second] = [predict([[0, 40]])!, predict([[1, 30]])!];
    expect(first.step).toBeGreaterThan(second.step);
    expect(second.total).toBeGreaterThan(first.total);
    const both: [number, number][] = [
      [0, 40],
      [1, 30],
    ];
    expect(predict(both)).toEqual(second);
    expect(predict([...both].reverse())).toEqual(second);
  });

  it('has nothing to say of no batches', () => {
    expect(predict([])).toBeNull();
  });
});
