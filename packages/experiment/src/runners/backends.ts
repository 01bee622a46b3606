/** The CF backends of a method on a language model: one of `cf`, one of the run that `cf.run` names, or two of two runs. */

import { type CfBackend, type CfModel, controlBackend, findCfDefinition } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { CfChannel, type Channel, HybridModel, type Method, usesCf, usesNeighbors } from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import type { RunSource } from '../runs/run-source';
import { type CfDetails, type CfSection, loadCf, type Prepared, sectionOfState } from './cf-model';
import { cfOptions } from './parameter-sizes';
import type { RunContext } from './run-context';

/** The vectors of a run, ready for fusion. */
export interface Backends {
  /** The trained models, in the order of `cf.run`. */
  readonly models: readonly CfModel[];
  /** What gives vectors: the models, or a control in the place of each. */
  readonly backends: readonly CfBackend[];
  /** Facts of each. */
  readonly details: readonly CfDetails[];
  /** Frees all of it. */
  release(): void;
}

/** Whether a method as it is run needs a CF model: for vectors, or for the items that it recommends. */
export function needsCf(method: Pick<Method, 'slots'>): boolean {
  return usesCf(method) || usesNeighbors(method);
}

/**
 * A context for each backend of a finished run, in which `config.cf` are the keys of that backend alone, as its own files
 * say; none for a method without CF.
 * @throws InputError for files that are missing or damaged
 */
export async function finishedContexts<Context extends RunContext>(
  context: Context,
  method: Pick<Method, 'slots'>,
  run: RunSource,
): Promise<Context[]> {
  if (!needsCf(method)) return [];
  const { cf } = context.config;
  if (!Array.isArray(cf.run)) return [context];
  return withSections(context, await Promise.all(cf.run.map((_, index) => sectionOfState(run, index, cf))));
}

/** A context for each section of keys. @throws InputError for two models that read histories */
export function withSections<Context extends RunContext>(context: Context, sections: readonly CfSection[]): Context[] {
  const readers = sections.filter((cf) => findCfDefinition(cf.model).historyLength(cfOptions(cf)) > 0);
  if (readers.length > 1) {
    throw new InputError(`${readers.map(({ model }) => model).join(' and ')} both make user vectors of histories`, {
      code: 'config.value',
      place: 'cf.run',
      fix: 'at most one of the two runs can be of such a model',
    });
  }
  return sections.map((cf) => ({ ...context, config: { ...context.config, cf } }));
}

/**
 * The model as its rows are scored: with the control of the evaluation in the place of each backend.
 * @param model as it was trained; what is given back shares all of it
 */
export async function scoredModel({ config }: Pick<RunContext, 'config'>, model: HybridModel): Promise<HybridModel> {
  if (config.control !== evaluationControl) return model;
  const channels: Channel[] = [];
  for (const channel of model.channels) {
    if (!(channel instanceof CfChannel)) channels.push(channel);
    // It permutes, so there is nothing to free.
    else
      channels.push(
        new CfChannel(
          (await controlBackend(channel.backend, evaluationControl, config.seed)).backend,
          channel.networks,
        ),
      );
  }
  return new HybridModel(model.llm, channels);
}

/** The control that leaves training as it is. */
const evaluationControl = 'permuted-at-evaluation';

/**
 * The backends that a finished run left.
 * @param use `training`: as the training began, without the control of the evaluation
 */
export function loadBackends(
  contexts: readonly RunContext[],
  run: RunSource,
  device: Device,
  use: 'training' | 'scoring' = 'scoring',
): Promise<Backends> {
  return gather(contexts, (context, index) => loadCf(context, device, run, index), use);
}

/** Opens the model of each context, and puts controls in their place where the config asks for them. */
export async function gather<Context extends RunContext>(
  contexts: readonly Context[],
  open: (context: Context, index: number) => Promise<Prepared>,
  use: 'training' | 'scoring',
): Promise<Backends> {
  const [models, backends, details]: [CfModel[], CfBackend[], CfDetails[]] = [[], [], []];
  const made: { release(): void }[] = [];
  const release = () => {
    for (const part of made.toReversed()) part.release();
  };
  try {
    for (const [index, context] of contexts.entries()) {
      const { control, seed } = context.config;
      const opened = await open(context, index);
      made.push(opened.model);
      models.push(opened.model);
      details.push(control === 'none' ? opened.details : { ...opened.details, control });
      if (control === 'none' || (control === evaluationControl && use === 'training')) backends.push(opened.model);
      else {
        const controlled = await controlBackend(opened.model, control, seed);
        made.push(controlled);
        backends.push(controlled.backend);
      }
    }
    return { models, backends, details, release };
  } catch (error) {
    release();
    throw error;
  }
}
