/** Scores by a finished run on a language model: many items of a user share what their prompts begin with. */

import { join } from 'node:path';
import { type CfBackend, knowsUser } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import {
  CandidateScorer,
  type Channel,
  cfChannel,
  HybridModel,
  LearnedChannel,
  learnedVectors,
  type Method,
  promptFor,
  type ScoredUser,
  scorePrompts,
  usesCf,
  usesNeighbors,
} from '@crossgate/fusion';
import { withPeftAdapter } from '@crossgate/llm';
import { openAdapter } from '@crossgate/llm/node';
import { type HostState, parseState, writeGroup, type YesNoLossOptions } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import type { Scores } from '../predictions';
import { loadBackends } from './backends';
import { logitsToScores } from './cf';
import type { HybridParts } from './hybrid-parts';
import { neighborLists } from './neighbors';
import type { RunnerContext } from './runner';
import { bestOf, historyOfPair, newItems, type Pairs, pairsOf, popularItems, type Scorer } from './scorer';

/** From this many pairs of one user and history on, their prefix is computed by itself: below, batches of whole prompts are faster. */
const SHARED = 4;

/**
 * Loads what a run left on its base model.
 * @param run absolute path of the run folder
 * @param parts lent by the session
 * @throws InputError naming a file that is missing or does not fit
 */
export async function hybridScorer(
  context: RunnerContext,
  run: string,
  { method, llm, device, contexts, prompts }: HybridParts,
): Promise<Scorer> {
  const { config, dataset } = context;
  const { signal } = context.session;
  const adapter = await openAdapter(join(run, 'adapter'), llm.config);
  for (const warning of adapter.warnings) context.session.log.warn(warning);
  const cf = await loadBackends(contexts, run, device);
  const { channels, builder } = await open().catch((error: unknown) => {
    cf.release();
    throw error;
  });
  async function open() {
    const [first] = cf.models;
    const { neighborCount } = config.prompt;
    const neighbors =
      first && usesNeighbors(method) ? await neighborLists(first, dataset, neighborCount + 1) : undefined;
    const { final } = prompts(neighbors);
    return { channels: await loadChannels(context, run, method, llm, cf.backends), builder: final };
  }
  const model = new HybridModel(withPeftAdapter(llm, adapter), channels);
  const { yes, no } = builder.answers;
  const { name, k, bprOn } = config.loss;
  const loss: YesNoLossOptions = { kind: name, k, bprOn, yesToken: yes, noToken: no };
  const options = { batchTokens: config.evaluation.batchTokens, signal };

  const candidatesOf = (user: ScoredUser) => new CandidateScorer(model, builder, user, loss);
  const { userHistories, userHistoryLength = 0 } = builder.options;
  /** What is known of a pair's user: of all, or before the row that the pair is. */
  const userOf = (pairs: Pairs, index: number): ScoredUser => {
    const [user, at] = [pairs.user[index]!, pairs.place[index]];
    const history = historyOfPair(dataset, pairs, index);
    if (!userHistories || userHistoryLength === 0) return { user, history };
    const userHistory = at
      ? userHistories.before(at.split, at.row, userHistoryLength)
      : userHistories.latest(user, userHistoryLength);
    return { user, history, userHistory };
  };

  /** Whether the prompt can hold anything of a user: titles of likes, or what a CF model makes of the user. */
  const knows = (user: number): boolean => {
    const { template, slots, historyLength } = builder.options;
    const used = Object.entries(slots).flatMap(([slot, filled]) => (template.includes(`{${slot}}`) ? [filled] : []));
    const named = historyLength > 0 && used.some((slot) => 'titles' in slot && slot.titles === 'history');
    if (named && dataset.positives(user).length > 0) return true;
    const isModeled = used.some(
      (slot) => ('vector' in slot && slot.vector === 'user') || ('titles' in slot && slot.titles === 'neighbors'),
    );
    return isModeled && cf.models.some((each) => knowsUser(each, user, each.histories(dataset).latest));
  };

  async function scorePairs(pairs: Pairs): Promise<Scores> {
    const values = new Float32Array(pairs.user.length);
    // Histories of one user and length are the same; those with labels have to be looked at.
    const groups = new Map<string, { readonly known: Int32Array | undefined; readonly indices: number[] }[]>();
    for (const index of pairs.user.keys()) {
      const { user, history, userHistory: known } = userOf(pairs, index);
      const key = `${user}/${history.length}`;
      if (!groups.has(key)) groups.set(key, []);
      const alike = groups.get(key)!;
      const group = alike.find((other) => isEqual(other.known, known));
      if (group) group.indices.push(index);
      else alike.push({ known, indices: [index] });
    }
    const single: number[] = [];
    for (const { indices } of [...groups.values()].flat()) {
      if (indices.length < SHARED) {
        single.push(...indices);
        continue;
      }
      const [first] = indices as [number, ...number[]];
      using scorer = candidatesOf(userOf(pairs, first));
      const items = indices.map((index) => pairs.item[index]!);
      const scores = await scorer.score(items, options);
      for (const [i, index] of indices.entries()) values[index] = scores[i]!;
    }
    const prompts = (function* () {
      for (const index of single) {
        yield promptFor(builder, { ...userOf(pairs, index), item: pairs.item[index]! });
      }
    })();
    const scores = await scorePrompts(model, prompts, single.length, loss, options);
    for (const [i, index] of single.entries()) values[index] = scores[i]!;
    return logitsToScores(values);
  }

  return {
    scorePairs,
    async best(user, { count, candidates, onProgress }) {
      if (!knows(user)) return popularItems(dataset, user, { count, candidates });
      const items = candidates ?? newItems(dataset, user);
      if (items.length === 0) return bestOf(items, logitsToScores(new Float32Array()), count); // Who has a positive for every item is shown nothing new.
      using scorer = candidatesOf(userOf(pairsOf(user, items), 0));
      const values = await scorer.score(items, { ...options, ...(onProgress && { onProgress }) });
      return bestOf(items, logitsToScores(values), count);
    },
    async close() {
      model.release();
      cf.release();
    },
  };
}

const isEqual = (a: Int32Array | undefined, b: Int32Array | undefined): boolean =>
  a?.length === b?.length && (a?.every((value, i) => value === b![i]) ?? true);

/** ENC, ALG and GATE, and learned vectors, as the last stage left them. */
async function loadChannels(
  { config }: RunnerContext,
  run: string,
  method: Method,
  { device, config: { hiddenSize } }: HybridParts['llm'],
  backends: readonly CfBackend[],
): Promise<Channel[]> {
  const learned = learnedVectors(method.slots);
  const fused = usesCf(method) ? backends : [];
  if (fused.length === 0 && learned === 0) return [];
  const file = join(run, 'fusion.safetensors');
  if ((await kindOf(file)) !== 'file') throw new InputError(`${file}: is missing; the run folder is not whole`);
  const source = await openFile(file);
  const { state } = await parseState(source).finally(() => source.close());
  const { seed, alg, gate } = config;
  const channels: Channel[] = [];
  for (const [index, backend] of fused.entries()) {
    channels.push(cfChannel(backend, hiddenSize, index, { seed, alg, gate, slots: method.slots }));
  }
  if (learned > 0) channels.push(new LearnedChannel(device, learned, hiddenSize, seed));
  return restore(channels, state, file);
}

/** Writes what was learned. @throws InputError for a file that does not fit; the channels are then freed */
function restore(channels: Channel[], state: HostState, file: string): Channel[] {
  try {
    for (const { groups } of channels) for (const group of groups.values()) writeGroup(group, state, file);
    return channels;
  } catch (error) {
    for (const channel of channels) channel.release();
    throw error;
  }
}
