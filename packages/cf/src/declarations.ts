/**
 * What configs and tables ask about models and baselines: names, options, what is read. Data alone, so that a config is
 * checked without a package that uses a GPU.
 */

/**
 * What a method may see when it scores a row. T: the train labels. H: also the user's earlier positives at prediction
 * time, as in the histories of prompts. P: also the user's earlier negatives.
 */
export type InformationClass = 'T' | 'H' | 'P';

/** The range of a number. Without bounds, any number. */
export interface CfRange {
  /** Least value. */
  readonly min?: number;
  /** Every value is above this. */
  readonly above?: number;
  /** Greatest value. */
  readonly max?: number;
  /** Every value is below this. */
  readonly below?: number;
}

/** A whole number, or any number, in a range. */
export interface CfNumberOption extends CfRange {
  /** Its kind. */
  readonly type: 'whole' | 'number';
  /** Used where a config says nothing. */
  readonly default: number;
  /** What it does, in a few words, for the schema of configs. */
  readonly meaning: string;
}

/** True or false. */
export interface CfSwitchOption {
  /** Its kind. */
  readonly type: 'switch';
  /** Used where a config says nothing. */
  readonly default: boolean;
  /** What it does, in a few words, for the schema of configs. */
  readonly meaning: string;
}

/** One of some words. */
export interface CfChoiceOption<V extends string = string> {
  /** Its kind. */
  readonly type: 'choice';
  /** All values, at least one. */
  readonly values: readonly V[];
  /** Used where a config says nothing. */
  readonly default: V;
  /** What it does, in a few words, for the schema of configs. */
  readonly meaning: string;
}

/** An option of a CF model: its kind, its range, its default and what it means. */
export type CfOption = CfNumberOption | CfSwitchOption | CfChoiceOption;

/** The option that has values of type `V`. */
type OptionOf<V> = [V] extends [boolean]
  ? CfSwitchOption
  : [V] extends [number]
    ? CfNumberOption
    : CfChoiceOption<V & string>;

/** A declaration of every option in `O`. */
export type CfOptions<O> = Readonly<Record<string, CfOption>> & {
  readonly [K in keyof O]-?: OptionOf<NonNullable<O[K]>>;
};

/** What is asked about a CF model to read a config. `O` are its options: the mapping `cf.<name>`. */
export interface CfDeclaration<O = unknown> {
  /** Lower-case letters, digits and dashes: the value of `cf.model`, and the name of the method and of the options. */
  readonly name: string;
  /** Its options. A config is refused that gives another one, or a value out of range. */
  readonly options: CfOptions<O>;
  /** Whether its initial vectors are drawn, so that it reads `cf.initStd`. */
  readonly drawn: boolean;
}

/** The values of declared options. */
export type CfOptionValues<D> = {
  -readonly [K in keyof D]: D[K] extends { readonly type: 'switch' }
    ? boolean
    : D[K] extends CfChoiceOption<infer V>
      ? V
      : number;
};

/** Matrix factorization. */
export const matrixFactorizationDeclaration = {
  name: 'mf',
  drawn: true,
  options: {
    biases: { type: 'switch', default: false, meaning: 'Add a bias per user, per item and for all (CoLLM: no)' },
  },
} as const satisfies CfDeclaration;

/** LightGCN. */
export const lightGcnDeclaration = {
  name: 'lightgcn',
  drawn: true,
  options: { layers: { type: 'whole', min: 0, max: 64, default: 2, meaning: 'Layers of propagation (CoLLM: 2)' } },
} as const satisfies CfDeclaration;

/** SASRec. */
export const sasRecDeclaration = {
  name: 'sasrec',
  drawn: true,
  options: {
    historyLength: {
      type: 'whole',
      above: 0,
      max: 10_000,
      default: 25,
      meaning: 'Last positives that are read (CoLLM: 25)',
    },
    blocks: { type: 'whole', above: 0, max: 64, default: 2, meaning: 'Blocks (CoLLM: 2)' },
    heads: {
      type: 'whole',
      above: 0,
      max: 1024,
      default: 1,
      meaning: 'Attention heads; they divide cfDim (CoLLM: 1)',
    },
    norm: {
      type: 'choice',
      values: ['pre', 'post'],
      default: 'pre',
      meaning: 'Where a block normalizes: its input, or its sum',
    },
    dropout: {
      type: 'number',
      min: 0,
      below: 1,
      default: 0.2,
      meaning: 'Dropout while SASRec is trained by itself (CoLLM: .2)',
    },
  },
} as const satisfies CfDeclaration;

/** Asymmetric SVD. It starts from spectral vectors, which are computed. */
export const asymmetricSvdDeclaration = {
  name: 'asvd',
  drawn: false,
  options: {
    information: {
      type: 'choice',
      values: ['H', 'P'],
      default: 'H',
      meaning: 'H: train labels and later positives; P: every earlier label of the user, also later dislikes',
    },
    historyLength: {
      type: 'whole',
      above: 0,
      max: 10_000,
      default: 500,
      meaning: 'Last clicks and positives that are read',
    },
    levelPrior: {
      type: 'number',
      above: 0,
      default: 20,
      meaning: "Clicks of prior strength: how slowly a user's level follows the user's labels",
    },
    levelUpdates: {
      type: 'choice',
      values: ['every', 'doublings'],
      default: 'every',
      meaning:
        "When a user's level takes in clicks: each time, or when their number has doubled, which ranks better inside a user",
    },
  },
} as const satisfies CfDeclaration;

/** The models of this package. */
export const cfDeclarations = [
  matrixFactorizationDeclaration,
  lightGcnDeclaration,
  sasRecDeclaration,
  asymmetricSvdDeclaration,
] as const satisfies readonly CfDeclaration[];

/** Names of the models of this package. Others may be registered: see `registerCfModel`. */
export type CfModelName = (typeof cfDeclarations)[number]['name'];

/** Name of a trivial baseline: see `scoreBaseline`. */
export type BaselineName = 'item-mean' | 'mean' | 'running-mean';

/** A trivial baseline: what it sees, gives and reads. */
export interface Baseline {
  /** What `scoreBaseline` takes, and the name of the method. */
  readonly name: BaselineName;
  /** What it sees when it scores a row. */
  readonly information: InformationClass;
  /** Whether its scores are probabilities. Otherwise they are sums of log-odds, which only rank. */
  readonly probability: boolean;
  /** The options of `scoreBaseline` that it reads. */
  readonly options: readonly ('strength' | 'residualScale')[];
}

/** All trivial baselines, in the order in which reports show them. */
export const baselines: readonly Baseline[] = [
  { name: 'item-mean', information: 'T', probability: true, options: ['strength'] },
  { name: 'mean', information: 'T', probability: false, options: ['strength'] },
  { name: 'running-mean', information: 'P', probability: false, options: ['strength', 'residualScale'] },
];
