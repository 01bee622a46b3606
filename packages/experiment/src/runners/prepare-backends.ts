/** The CF backends of a training: one of `cf`, one of the run that `cf.run` names, or two of two runs. */
import type { Method } from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import type { RunFolder } from '../runs/run-folder';
import { type Backends, gather, needsCf, withSections } from './backends';
import { prepareCf, sectionOfRun } from './cf-phase';
import type { RunnerContext } from './runner';

/**
 * A context for each backend, in which `config.cf` are the keys of that backend alone; none for a method without CF.
 * @throws InputError for a `cf.run` that is no finished run, and for two models that read histories
 */
export async function backendContexts(context: RunnerContext, method: Pick<Method, 'slots'>): Promise<RunnerContext[]> {
  if (!needsCf(method)) return [];
  const { config, session } = context;
  const { run: named } = config.cf;
  if (!Array.isArray(named)) return [context];
  return withSections(context, await Promise.all(named.map((name) => sectionOfRun(session, name, config.cf))));
}

/**
 * Gives the trained models of a run, as `prepareCf` does, and puts controls in their place where the config asks for them.
 * @param contexts of `backendContexts`
 */
export function prepareBackends(contexts: readonly RunnerContext[], run: RunFolder, device: Device): Promise<Backends> {
  return gather(contexts, (context, index) => prepareCf(context, run, device, index), 'training');
}
