/** What a config leaves to its method: the strategy of training and the loss. */
import { defaultStrategy, type Method, methods, stagesOf, withNeighbors } from '@crossgate/fusion/methods';
import { isPlain, type Plain } from './plain';
import type { ExperimentConfig } from './schema';

/** The declaration of a method with a language model; undefined for the others. */
export const declarationOf = (method: unknown): Method | undefined => methods.find(({ name }) => name === method);

/** Sets a key where it is not given. A section that is no mapping is left to the schema, which refuses it. */
function setDefault(tree: Plain, section: string, key: string, value: string): void {
  const node = tree[section] ?? {};
  if (!isPlain(node) || (node[key] ?? null) !== null) return;
  tree[section] = { ...node, [key]: value };
}

/** Fills in what the method's declaration says where the config says nothing, in place. */
export function fillMethodDefaults(tree: Plain): void {
  const declaration = declarationOf(tree.method);
  if (declaration === undefined) return;
  setDefault(tree, 'training', 'strategy', defaultStrategy(declaration));
  setDefault(tree, 'loss', 'name', declaration.loss);
}

/** @throws InputError for a strategy and for neighbors that the method lacks, with what it has */
export function checkStrategy({ method, training, prompt }: ExperimentConfig): void {
  const declaration = declarationOf(method);
  if (declaration === undefined) return;
  stagesOf(declaration, training.strategy);
  withNeighbors(declaration, prompt.neighbors);
}

/** In the config of a run of before: a strategy that the method lacks had no effect, so it goes. */
export function dropLackingStrategy(tree: Plain): void {
  const declaration = declarationOf(tree.method);
  const { training } = tree;
  if (declaration === undefined || !isPlain(training)) return;
  if (!Object.hasOwn(declaration.strategies, String(training.strategy))) delete training.strategy;
}
