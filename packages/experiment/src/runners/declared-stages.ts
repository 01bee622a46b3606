/** The method and the stages of a config, without a package that uses a GPU. */
import {
  findMethod,
  type Method,
  type Stage,
  stagesOf,
  type Templates,
  withNeighbors,
} from '@crossgate/fusion/methods';
import type { ExperimentConfig } from '../config/schema';

/** The method of a config, as it is run. @throws InputError for neighbors that its prompt does not name */
export function declaredMethod({ method, prompt }: ExperimentConfig): Method {
  return withNeighbors(findMethod(method), prompt.neighbors);
}

/** Prompts that the config gives in place of the method's own. */
export function templatesOf({ prompt, training }: ExperimentConfig): Templates {
  return { template: prompt.template, stage1: training.stage1.template, stage2: training.stage2.template };
}

/** The stages of a config's method. */
export function stagesOfConfig(method: Method, config: ExperimentConfig): readonly Stage[] {
  return stagesOf(method, config.training.strategy, templatesOf(config));
}
