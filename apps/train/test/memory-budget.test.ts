/** The memory that a training is predicted to take: the tables of its own CF model, and the stage that takes most. */
import { sasRecShapes } from '@crossgate/cf';
import { ccf, type HybridModel, type PromptBuilder, tallrec } from '@crossgate/fusion';
import type { LlamaConfig } from '@crossgate/llm';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../src/config/schema';
import { predictBatches, predictTraining } from '../src/methods/memory-budget';
import type { MethodContext } from '../src/methods/method';

const llm: LlamaConfig = {
  ...{ architecture: 'llama', vocabSize: 64, hiddenSize: 16, intermediateSize: 24, layers: 2, heads: 2 },
  ...{ keyValueHeads: 1, headDim: 8, rmsNormEpsilon: 1e-5, ropeTheta: 10000, tieWordEmbeddings: true },
  ...{ maxPositions: 64, bosTokenId: null, eosTokenIds: [] },
};
const [users, items, cfDim] = [300, 70, 8];
// No rows: only the parameters are predicted, and no prompt is built.
const dataset = { userCount: users, itemCount: items, splits: { train: { rows: 0 } } } as MethodContext['dataset'];
const builder = {} as PromptBuilder;

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
const plan = (cf: object = {}, training: object = {}, method = ccf) =>
  predictTraining({ config: configOf(cf, training), dataset }, llm, builder, method);

describe('predictTraining', () => {
  it('counts the tables of the CF model that is trained', () => {
    const tables = cfDim * (users + 1 + items + 1);
    const [mf, lightGcn] = [plan({ model: 'mf' }), plan({ model: 'lightgcn' })];
    expect(lightGcn).toEqual(mf);
    const sasrec = { historyLength: 5, blocks: 1, heads: 1, norm: 'pre' } as const;
    const sequential = plan({ model: 'sasrec', sasrec });
    const shapes = [...sasRecShapes(items, { cfDim, ...sasrec }).values()];
    const sasRec = shapes.reduce((sum, shape) => sum + shape.reduce((product, length) => product * length, 1), 0);
    expect(mf.parameters - sequential.parameters).toBe(8 * (tables - sasRec));
    expect(plan({}, {}, tallrec).parameters).toBeLessThan(mf.parameters - 8 * tables);
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

describe('predictBatches', () => {
  const group = (count: number) => ({ sections: [{ count }] });
  const model = {
    llm: { config: llm, maxPositions: 64 },
    groups: () => new Map(Object.entries({ lora: group(1000), fusion: group(500), cf: group(100_000) })),
  } as unknown as HybridModel;
  const stages = ccf.stages('two-stage');
  const predict = (tokens: [number, number][]) => predictBatches(model, stages, configOf(), new Map(tokens));

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
