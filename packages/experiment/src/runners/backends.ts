/** The CF backends of a method on a language model: one of `cf`, one of the run that `cf.run` names, or two of two runs. */

import { type CfBackend, type CfModel, controlBackend, findCfDefinition } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { CfChannel, type Channel, HybridModel, type Method, usesCf, usesNeighbors } from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import type { RunFolder } from '../runs/run-folder';
import { type CfDetails, loadCf, prepareCf, sectionOfRun, sectionOfState } from './cf-phase';
import { cfOptions } from './parameter-sizes';
import type { RunnerContext } from './runner';

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
 * A context for each backend, in which `config.cf` are the keys of that backend alone; none for a method without CF.
 * @param run absolute path of a finished run, whose own files then say what its backends are
 * @throws InputError for a `cf.run` that is no finished run, and for two models that read histories
 */
export async function backendContexts(
  context: RunnerContext,
  method: Pick<Method, 'slots'>,
  run?: string,
): Promise<RunnerContext[]> {
  if (!needsCf(method)) return [];
  const { config, session } = context;
  const { run: named } = config.cf;
  if (!Array.isArray(named)) return [context];
  const sections = await Promise.all(
    named.map((name, index) => (run ? sectionOfState(run, index, config.cf) : sectionOfRun(session, name, config.cf))),
  );
  const readers = sections.filter((cf) => findCfDefinition(cf.model).historyLength(cfOptions(cf)) > 0);
  if (readers.length > 1) {
    throw new InputError(`${readers.map(({ model }) => model).join(' and ')} both make user vectors of histories`, {
      code: 'config.value',
      place: 'cf.run',
      fix: 'at most one of the two runs can be of such a model',
    });
  }
  return sections.map((cf) => ({ ...context, config: { ...config, cf } }));
}

/**
 * Gives the trained models of a run, as `prepareCf` does, and puts controls in their place where the config asks for them.
 * @param contexts of `backendContexts`
 */
export function prepareBackends(contexts: readonly RunnerContext[], run: RunFolder, device: Device): Promise<Backends> {
  return gather(contexts, (context, index) => prepareCf(context, run, device, index), 'training');
}

/**
 * The model as its rows are scored: with the control of the evaluation in the place of each backend.
 * @param model as it was trained; what is given back shares all of it
 */
export async function scoredModel({ config }: RunnerContext, model: HybridModel): Promise<HybridModel> {
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
 * @param run absolute path of the run folder
 * @param use `training`: as the training began, without the control of the evaluation
 */
export function loadBackends(
  contexts: readonly RunnerContext[],
  run: string,
  device: Device,
  use: 'training' | 'scoring' = 'scoring',
): Promise<Backends> {
  return gather(contexts, (context, index) => loadCf(context, device, run, index), use);
}

async function gather(
  contexts: readonly RunnerContext[],
  open: (context: RunnerContext, index: number) => Promise<{ model: CfModel; details: CfDetails }>,
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
