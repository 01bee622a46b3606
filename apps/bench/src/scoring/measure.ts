/** Times the scores of many candidates of one user: as whole prompts, and behind the prefix they share. */
import { MatrixFactorization } from '@crossgate/cf';
import {
  buildHybridModel,
  CandidateScorer,
  ccf,
  type HybridModel,
  type Method,
  PromptBuilder,
  promptFor,
  scorePrompts,
  tallrec,
} from '@crossgate/fusion';
import { contextOf, type LlamaModel, linearModules, type Tokenizer } from '@crossgate/llm';
import { median } from '../measure';
import { inventedTitles } from './prompts';

export interface ScoringCase {
  readonly candidates: number;
  /** Titles of the history. */
  readonly history: number;
  /** Timed rounds; the median counts. */
  readonly repeats: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface ScoringResult {
  readonly name: 'scoring';
  readonly shape: string;
  readonly dtype: string;
  /** How candidates were scored. */
  readonly variant: 'whole prompts' | 'shared prefix';
  /** Median milliseconds for all candidates, the prefix included. */
  readonly ms: number;
  readonly candidatesPerSecond: number;
  /** Tokens that went through the model. */
  readonly tokens: number;
  /** Rate of the linear layers' products. */
  readonly gflops: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Time of whole prompts over time of this variant. */
  readonly ratio: number;
  /** Greatest difference to the scores of whole prompts. */
  readonly maxDifference: number;
}

/** Text prompts, and prompts with CF vectors fused in. Adds LoRA to the model. */
export async function measureScoring(
  llm: LlamaModel,
  tokenizer: Tokenizer,
  model: string,
  options: ScoringCase,
): Promise<ScoringResult[]> {
  const { candidates, history, seed } = options;
  const items = candidates + history;
  const seen = (count: number) => Uint8Array.from({ length: count + 1 }, (_, i) => Number(i > 0));
  const backend = MatrixFactorization.create(llm.device, {
    cfDim: 128,
    seed,
    userSeen: seen(1),
    itemSeen: seen(items),
  });
  try {
    const lora = { rank: 8, alpha: 16, dropout: 0, targets: ['q_proj', 'v_proj'] };
    const gate = { hidden: 256, activation: 'none', init: 'default', width: 'dimension' } as const;
    const { model: hybrid } = await buildHybridModel(llm, [backend], {
      ...{ seed, lora, gate, alg: { hiddenFactor: 10, init: 'matchTokenNorm' } },
    });
    const titles = inventedTitles(items, seed);
    const results: ScoringResult[] = [];
    for (const method of [tallrec, ccf]) {
      results.push(...(await measureMethod(hybrid, tokenizer, titles, method, `${model}, ${method.name}`, options)));
    }
    hybrid.cf[0]!.networks.group.release();
    return results;
  } finally {
    backend.release();
  }
}

async function measureMethod(
  model: HybridModel,
  tokenizer: Tokenizer,
  titles: readonly string[],
  method: Method,
  label: string,
  { candidates, history, repeats, signal }: ScoringCase,
): Promise<ScoringResult[]> {
  const builder = new PromptBuilder(tokenizer, titles, {
    template: method.template,
    nouns: 'movies',
    historyLength: history,
    maxLength: contextOf(model.llm),
    slots: method.slots,
  });
  const loss = {
    kind: 'eq5',
    k: 2,
    bprOn: 'probability',
    yesToken: builder.answers.yes,
    noToken: builder.answers.no,
  } as const;
  const user = { user: 1, history: Int32Array.from({ length: history }, (_, i) => i + 1) };
  const items = Int32Array.from({ length: candidates }, (_, i) => history + 1 + i);
  const prompts = Array.from(items, (item) => promptFor(builder, { ...user, item }));
  const whole = () => scorePrompts(model, prompts, prompts.length, loss, { signal });
  const shared = async () => {
    using scorer = new CandidateScorer(model, builder, user, loss);
    return await scorer.score(items, { signal });
  };
  // The first round compiles pipelines; then both take turns, so that what else runs on the machine disturbs both
  // alike.
  const [wholeScores, sharedScores] = [await whole(), await shared()];
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < repeats; round++) {
    for (const [index, run] of [whole, shared].entries()) {
      const start = performance.now();
      await run();
      times[index]!.push(performance.now() - start);
    }
  }
  const [wholeMs, sharedMs] = times.map((samples) => median(samples.sort((a, b) => a - b))) as [number, number];
  const wholeTokens = prompts.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const prefixLength = prompts[0]!.sharedLength!;
  const sharedTokens = wholeTokens - prompts.length * prefixLength + prefixLength;
  const weights = [...linearModules(model.llm.config).values()].reduce(
    (sum, [rows, columns]) => sum + rows * columns,
    0,
  );
  const shape = `${label}: ${candidates} candidates behind ${history} titles, ${prefixLength} of ${Math.round(wholeTokens / candidates)} tokens shared`;
  const difference = wholeScores.reduce((most, value, i) => Math.max(most, Math.abs(value - sharedScores[i]!)), 0);
  const result = (variant: ScoringResult['variant'], ms: number, tokens: number, maxDifference: number) => ({
    ...({ name: 'scoring', dtype: 'f32', peers: {} } as const),
    ...{ shape, variant, ms, tokens, maxDifference, ratio: wholeMs / ms },
    candidatesPerSecond: (1000 * candidates) / ms,
    gflops: (2 * weights * tokens) / ms / 1e6,
  });
  return [
    result('whole prompts', wholeMs, wholeTokens, 0),
    result('shared prefix', sharedMs, sharedTokens, difference),
  ];
}
