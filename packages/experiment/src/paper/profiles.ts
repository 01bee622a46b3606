/** How large a reproduction is: the data, the language model, the settings of each method, and the seeds. */
import { join } from 'node:path';
import type { Plain } from '../config/plain';
import type { PaperBackend } from './experiments';
import type { PaperDataset } from './tables';

/** A size of reproduction. Paths of configs are relative to the folder `configs`. */
export interface PaperProfile {
  /** The value of `--profile`. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly summary: string;
  /** Data sets by their names, each with the one of the paper that its numbers stand beside, and keys that it needs. */
  readonly datasets: readonly {
    readonly name: string;
    /** Whose published numbers are shown; they can be compared where the name is the same. */
    readonly published: PaperDataset;
    readonly settings: Plain;
  }[];
  /** Each experiment is run once with each. */
  readonly seeds: readonly number[];
  /** Keys of every experiment: all score the same rows. */
  readonly common: Plain;
  /** Config of baselines and of each CF model that is shown. */
  readonly cf: Readonly<Record<PaperBackend | 'baseline', string>>;
  /** Config of methods with a language model, which names the model unless `--model` does. */
  readonly llm: string;
  /** Keys of single methods beyond that config. */
  readonly methods: Readonly<Record<string, Plain>>;
  /** Keys of experiments whose prompts name what CF recommends. */
  readonly neighbors: Plain;
}

const beginning = '#Question: A user has given high ratings to: {history}. ';
/** The demo's language model knows texts of this form alone. */
const demoPrompts: Readonly<Record<string, Plain>> = {
  collm: {
    prompt: { template: `${beginning}The user likes {user}. Would the user enjoy {item} {itemVector}? #Answer:` },
    training: { stage1: { template: `${beginning}Would the user enjoy {item}? #Answer:` } },
  },
  softprompt: {
    prompt: { template: `${beginning}The user likes {user}. Would the user enjoy {item} {itemVector}? #Answer:` },
  },
  tallrec: { prompt: { template: `${beginning}Would the user enjoy {item}? #Answer:` } },
  instruct: { prompt: { template: `${beginning}Would the user enjoy {item}? #Answer:` } },
  'zero-shot': { prompt: { template: `${beginning}Would the user enjoy {item}? #Answer:` } },
  'api-llm': { prompt: { template: null } },
};

const movies: Readonly<Record<string, Plain>> = Object.fromEntries(
  ['collm', 'softprompt', 'tallrec'].map((method) => [method, { prompt: { noun: 'movies' } }]),
);
const mlCf = {
  baseline: join('ml-1m', 'mean.yaml'),
  mf: join('ml-1m', 'mf.yaml'),
  lightgcn: join('ml-1m', 'lightgcn.yaml'),
  sasrec: join('ml-1m', 'sasrec.yaml'),
  asvd: join('ml-1m', 'asvd.yaml'),
};

/** The sizes, from the quickest. */
export const paperProfiles: readonly PaperProfile[] = [
  {
    name: 'smoke',
    summary: "the demo's generated data and language model, few rows: shows that every row runs, not who wins",
    datasets: [{ name: 'demo', published: 'ml-1m', settings: {} }],
    seeds: [1],
    common: { evaluation: { testRows: 1000 } },
    cf: {
      baseline: join('demo', 'mean.yaml'),
      ...{ mf: join('demo', 'mf.yaml'), lightgcn: join('paper', 'smoke-lightgcn.yaml') },
      ...{ sasrec: join('paper', 'smoke-sasrec.yaml'), asvd: join('paper', 'smoke-asvd.yaml') },
    },
    llm: join('paper', 'smoke.yaml'),
    methods: demoPrompts,
    neighbors: {
      // Its prompts have 96 tokens.
      prompt: {
        ...{ neighborCount: 3, historyLength: 6 },
        template: `${beginning}Users like these also enjoy {neighbors}. Would the user enjoy {item}? #Answer:`,
      },
    },
  },
  {
    name: 'small',
    summary: 'MovieLens-1M with stories260K, or the model of --model; 12,000 training rows a stage, one seed',
    datasets: [{ name: 'ml-1m', published: 'ml-1m', settings: {} }],
    seeds: [1],
    // Tables show test rows alone; each of their seconds counts on two cores.
    common: { evaluation: { splits: ['test'] } },
    cf: mlCf,
    llm: join('paper', 'small.yaml'),
    methods: movies,
    neighbors: {},
  },
  {
    name: 'paper',
    summary: "the paper's settings: MovieLens-1M and Amazon Books, Vicuna-7B, five runs; wants a large GPU",
    datasets: [
      { name: 'ml-1m', published: 'ml-1m', settings: {} },
      {
        name: 'amazon-books',
        published: 'amazon-books',
        settings: { prompt: { historyLength: 15 } },
      },
    ],
    seeds: [1, 2, 3, 4, 5],
    common: {},
    cf: mlCf,
    llm: join('paper', 'paper.yaml'),
    methods: movies,
    neighbors: {},
  },
];
