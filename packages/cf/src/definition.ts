/** What a collaborative-filtering model is asked before it exists: one object per model, in the model's own file. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import type { HostState } from '@crossgate/tensor';
import type { CfMemory, CfModel } from './backend';
import type { InformationClass } from './baselines';
import type { UserHistories } from './click-history';

/** How much there is, without the padding. */
export interface CfSizes {
  readonly users: number;
  readonly items: number;
  /** Width of the vectors. */
  readonly cfDim: number;
  /** Counts the positive train rows. */
  positives(): number;
}

/** What every model is created with; it may leave values unread. */
export interface CfCreateOptions {
  readonly cfDim: number;
  /** Standard deviation of the normal initial values. */
  readonly initStd: number;
  readonly seed: number;
}

/**
 * A model, with every question answered; one that is left out does not compile. `O` are the options of the model alone: the
 * mapping `cf.<name>` of an experiment. Write the object with `satisfies CfDefinition<O>` and add it to `cfDefinitions`.
 */
export interface CfDefinition<O = unknown> {
  /** Lower-case letters, digits and dashes: the value of `cf.model`, the name of the method and of the options. */
  readonly name: string;
  /** What it sees when it scores a row: T train labels, H also later positives, P also later negatives. */
  information(options: O): InformationClass;
  /** Entries of a user's history that it reads; 0: none. */
  historyLength(options: O): number;
  /** Shapes of the trained parameters by name. */
  shapes(sizes: CfSizes, options: O): ReadonlyMap<string, readonly number[]>;
  /** What it takes on the device beside the parameters, their gradients and moments. */
  memory(sizes: CfSizes, options: O): CfMemory;
  /** @throws InputError naming the key `cf.<name>.<option>` or `cf.cfDim` that cannot be used */
  check(options: O, cfDim: number): void;
  /** The histories that it reads. */
  histories(dataset: Dataset, options: O): UserHistories;
  /** The untrained model. */
  create(device: Device, dataset: Dataset, common: CfCreateOptions, options: O): CfModel;
  /** A tensor by which a saved state is known to be this model's, such as `toy.settings`. */
  readonly stateMark: string;
  /** A tensor of a saved state with `cfDim` columns. */
  readonly stateVectors: string;
  /** The model of a state. @throws InputError naming the tensor that is missing or wrong */
  fromState(device: Device, state: HostState, source: string): CfModel;
  /** Options that a saved model was trained with and that those of a run must equal. Numbers are compared in f32. */
  storedOptions(model: CfModel): Readonly<Record<string, string | number | boolean>>;
}

/** Memory of a model that has parameters alone. */
export const noMemory: CfMemory = { persistent: 0, held: 0, peak: 0 };
