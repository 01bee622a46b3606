/** What a finished run on a language model holds, on the device again: its last state, or the one that its second stage began with. */

import type { CfBackend } from '@crossgate/cf';
import {
  buildHybridModel,
  type Channel,
  cfChannel,
  HybridModel,
  LearnedChannel,
  learnedVectors,
  type Method,
  usesCf,
  usesNeighbors,
} from '@crossgate/fusion';
import { readPeftAdapter, subfolder, withPeftAdapter } from '@crossgate/llm';
import { type HostState, parseState, writeGroup } from '@crossgate/tensor';
import { openRunFile, type RunSource } from '../runs/run-source';
import { loadBackends, scoredModel } from './backends';
import type { HybridParts, Prompts } from './hybrid-parts';
import { knownUsers } from './known-users';
import { type Neighbors, neighborLists } from './neighbors';
import type { RunContext } from './run-context';

/** What stands between the CF models of a run and its language model. */
export interface HybridHooks {
  /** Gives vectors in the place of a backend. @param index of the backend, from 0 */
  backend(backend: CfBackend, index: number): CfBackend;
  /** Gives lists in the place of those of CF. */
  neighbors(of: Neighbors): Neighbors;
}

/** A finished run with its model open. */
export interface HybridRun {
  /** The language model with the adapters and the channels of the run. */
  readonly model: HybridModel;
  /** Of each trained CF model, in the order of `cf.run`: whether it has anything of a user to go by. */
  readonly known: readonly ((user: number) => boolean)[];
  /** What makes its prompts. */
  readonly prompts: Prompts;
  /** Frees what the run added to the language model. */
  release(): void;
}

/**
 * Loads what a run left on its base model.
 * @param parts lent by the session
 * @param state `learned`: as the last stage left it. `initial`: LoRA as it is, with channels as they were before they
 *   were trained. That is the state which the second stage began with, where it trains the channels alone.
 * @param hooks of what scores by more than the run's own vectors
 * @throws InputError naming a file that is missing or does not fit
 */
export async function openHybridRun(
  context: RunContext,
  run: RunSource,
  { method, llm, device, contexts, prompts }: HybridParts,
  state: 'learned' | 'initial' = 'learned',
  hooks?: HybridHooks,
): Promise<HybridRun> {
  const { config, dataset } = context;
  const adapter = await readPeftAdapter(subfolder(run, 'adapter'), llm.config);
  for (const warning of adapter.warnings) context.session.log.warn(warning);
  const isInitial = state === 'initial';
  const cf = await loadBackends(contexts, run, device, isInitial ? 'training' : 'scoring');
  try {
    const [first] = cf.models;
    const { neighborCount } = config.prompt;
    const lists = first && usesNeighbors(method) ? await neighborLists(first, dataset, neighborCount + 1) : undefined;
    const made = prompts(lists && hooks ? hooks.neighbors(lists) : lists);
    const backends = hooks ? cf.backends.map((backend, index) => hooks.backend(backend, index)) : cf.backends;
    const channels = isInitial
      ? await initialChannels(context, method, llm, backends, made)
      : await loadChannels(context, run, method, llm, backends);
    const model = new HybridModel(withPeftAdapter(llm, adapter), channels);
    return {
      known: cf.models.map((each, index) => knownUsers(each, dataset, cf.details[index]!, contexts[index]!.config)),
      prompts: made,
      model: isInitial ? await scoredModel(context, model) : model,
      release() {
        model.release();
        cf.release();
      },
    };
  } catch (error) {
    cf.release();
    throw error;
  }
}

/** ENC, ALG and GATE, and learned vectors, as the last stage left them. */
async function loadChannels(
  { config }: RunContext,
  run: RunSource,
  method: Method,
  { device, config: { hiddenSize } }: HybridParts['llm'],
  backends: readonly CfBackend[],
): Promise<readonly Channel[]> {
  const learned = learnedVectors(method.slots);
  const fused = usesCf(method) ? backends : [];
  if (fused.length === 0 && learned === 0) return [];
  const source = await openRunFile(run, 'fusion.safetensors');
  const { state } = await parseState(source).finally(() => source.close());
  const { seed, alg, gate } = config;
  const channels: Channel[] = [];
  for (const [index, backend] of fused.entries()) {
    channels.push(cfChannel(backend, hiddenSize, index, { seed, alg, gate, slots: method.slots }));
  }
  if (learned > 0) channels.push(new LearnedChannel(device, learned, hiddenSize, seed));
  return restore(channels, state, source.name);
}

/** The channels as they are before training: built from the seed as the run built them. */
async function initialChannels(
  { config: { seed, lora, alg, gate } }: RunContext,
  method: Method,
  llm: HybridParts['llm'],
  backends: readonly CfBackend[],
  { final: { tokenizer } }: Prompts,
): Promise<readonly Channel[]> {
  const { slots } = method;
  const options = { seed, lora, alg, gate, slots, tokenizer };
  const { model } = await buildHybridModel(llm, usesCf(method) ? backends : [], options);
  // The run has adapters of its own.
  model.llm.adapters?.release();
  return model.channels;
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
