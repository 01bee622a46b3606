/**
 * What is asked about a collaborative-filtering model before it exists: one object per model, in the file of the model.
 */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import type { HostState } from '@crossgate/tensor';
import type { CfMemory, CfModel } from './backend';
import type { UserHistories } from './click-history';
import type { CfDeclaration, InformationClass } from './declarations';

/** Sizes that shapes and memory of a model depend on. */
export interface CfSizes {
  /** Number of users, without the padding. */
  readonly users: number;
  /** Number of items, without the padding. */
  readonly items: number;
  /** Width of the vectors. */
  readonly cfDim: number;
  /** Counts the positive train rows. A function, because only some models need it. */
  positives(): number;
}

/** What every model is created with. A model may ignore values. */
export interface CfCreateOptions {
  /** Width of the vectors, at least 1. */
  readonly cfDim: number;
  /** Standard deviation of the normal initial values, above 0. */
  readonly initStd: number;
  /** Seed of all that the model draws when it is created. */
  readonly seed: number;
}

/**
 * All answers about a model. An object that leaves one out does not compile. `O` are the model's own options: the
 * mapping `cf.<name>` of an experiment, which its declaration describes. Write the object with `satisfies
 * CfDefinition<O>`, and add it to `cfDefinitions` or give it to `registerCfModel`.
 */
export interface CfDefinition<O = unknown> extends CfDeclaration<O> {
  /** What the model sees when it scores a row: T train labels, H also later positives, P also later negatives. */
  information(options: O): InformationClass;
  /** Number of entries of a user's history that the model reads; 0 when it reads none. */
  historyLength(options: O): number;
  /** Shapes of the trained parameters by name. */
  shapes(sizes: CfSizes, options: O): ReadonlyMap<string, readonly number[]>;
  /** Device memory that the model takes beside its parameters, their gradients and moments. */
  memory(sizes: CfSizes, options: O): CfMemory;
  /**
   * Checks options against each other and the width, before data is read. Each is of its kind and in its range.
   *
   * @throws InputError naming the key `cf.<name>.<option>` or `cf.cfDim` that cannot be used
   */
  check(options: O, cfDim: number): void;
  /** The histories of a data set as the model reads them. */
  histories(dataset: Dataset, options: O): UserHistories;
  /** Creates the untrained model. @throws InputError for an option out of range */
  create(device: Device, dataset: Dataset, common: CfCreateOptions, options: O): CfModel;
  /** Name of a tensor by which a saved state is recognized as this model's, such as `toy.settings`. */
  readonly stateMark: string;
  /** Name of a tensor of a saved state with `cfDim` columns. */
  readonly stateVectors: string;
  /**
   * Number of columns at the beginning of an item's vector that say how much it is liked, not what it is like. They are
   * left out where items are compared. Default 0.
   */
  readonly levelColumns?: number;
  /**
   * Builds the model of a state.
   *
   * @param source what the state was read from, for messages.
   * @throws InputError naming the tensor that is missing or wrong
   */
  fromState(device: Device, state: HostState, source: string): CfModel;
  /**
   * Parameters that a training which continues an earlier one starts anew, by name: their meaning is computed from the
   * train rows. Default: none.
   */
  readonly startsAnew?: readonly string[];
  /**
   * Options that a saved model was trained with and that the options of a run must equal. Numbers are compared as f32.
   */
  storedOptions(model: CfModel): Readonly<Record<string, string | number | boolean>>;
}

/** Memory of a model that has nothing but parameters. */
export const noMemory: CfMemory = { persistent: 0, held: 0, peak: 0 };
