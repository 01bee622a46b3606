/** The experiments of the paper (CCF-LLM, CIKM '24) as data: every method, variant and control that a table or figure shows. */
import type { CfModelName } from '@crossgate/cf';
import type { Plain } from '../config/plain';

/**
 * The CF models that tables and figures show, by the paper's names for them, and ours for asymmetric SVD. Other models
 * are no rows of the paper.
 */
export const backendLabels = {
  mf: 'MF',
  lightgcn: 'LightGCN',
  sasrec: 'SASRec',
  asvd: 'asymmetric SVD',
} as const satisfies Partial<Record<CfModelName, string>>;

/** A CF model that tables and figures show. */
export type PaperBackend = keyof typeof backendLabels;

/** One experiment: a method with its settings, whatever the data set and the language model. */
export interface PaperExperiment {
  /** Unique; the name of its runs. */
  readonly key: string;
  /** As tables name it. */
  readonly label: string;
  /** Name of the method. */
  readonly method: string;
  /** CF experiments whose vectors, or recommendations in words, it is given. */
  readonly backends: readonly PaperBackend[];
  /** Keys of the config that make the variant. */
  readonly settings: Plain;
  /** The most seeds it is run with, where each run is paid for; default: all. */
  readonly mostSeeds?: number;
  /** For a baseline of equal cost: how many times the passes of a stage are made. */
  readonly passes?: number;
}

const define = (
  key: string,
  label: string,
  method: string,
  backends: readonly PaperBackend[] = [],
  settings: Plain = {},
): PaperExperiment => ({ key, label, method, backends, settings });

const cfModels = Object.keys(backendLabels) as PaperBackend[];
const papers = ['mf', 'lightgcn', 'sasrec'] as const;

const cf = cfModels.map((name) => define(name, backendLabels[name], name));
const fused = cfModels.map((name) => define(`ccf-${name}`, `CCF-LLM (${backendLabels[name]})`, 'ccf', [name]));
const collm = papers.map((name) => define(`collm-${name}`, `CoLLM (${backendLabels[name]})`, 'collm', [name]));
const text = [define('softprompt', 'Softprompt', 'softprompt'), define('tallrec', 'TALLRec', 'tallrec')];
/** Baselines of CoLLM's loss under the loss of CCF-LLM: what is left between them is not the loss. */
const underEq5 = [...text, ...collm].map(({ key, label, method, backends }) =>
  define(`${key}-eq5`, `${label}, loss of eq. 5`, method, backends, { loss: { name: 'eq5' } }),
);
const pairs = (
  [
    ['L+M', 'lightgcn', 'mf'],
    ['L+S', 'lightgcn', 'sasrec'],
    ['M+S', 'mf', 'sasrec'],
  ] as const
).map(([label, a, b]) => define(`ccf-${a}-${b}`, `CCF-LLM (${label})`, 'ccf', [a, b]));
const controls = (['permuted-items', 'permuted-users', 'random-vectors', 'permuted-at-evaluation'] as const).map(
  (control) =>
    define(`ccf-lightgcn-${control}`, `CCF-LLM (LightGCN), ${control.replaceAll('-', ' ')}`, 'ccf', ['lightgcn'], {
      control,
    }),
);

/** A closed model: test rows alone, once, since every call costs. */
const closed = (['zero-shot', 'tuned'] as const).flatMap((how) =>
  [true, false].map((neighbors) => {
    const [key, label] = neighbors ? [`closed-${how}-cf`, 'w/ CF'] : [`closed-${how}`, 'w/o CF'];
    const settings = {
      api: { fineTune: how === 'tuned' },
      prompt: { neighbors },
      evaluation: { splits: ['test'] },
    };
    const backends = neighbors ? (['mf'] as const) : [];
    return { ...define(key, `closed LLM ${how}, ${label}`, 'api-llm', backends, settings), mostSeeds: 1 };
  }),
);

/** All experiments. Those that others take vectors from come first. */
export const paperExperiments: readonly PaperExperiment[] = [
  define('item-mean', 'item mean', 'item-mean'),
  define('mean', 'item and user mean', 'mean'),
  define('running-mean', 'running mean', 'running-mean'),
  ...cf,
  define('zero-shot', 'LLM zero-shot, w/o CF', 'zero-shot'),
  define('zero-shot-cf', 'LLM zero-shot, w/ CF', 'zero-shot', ['mf'], { prompt: { neighbors: true } }),
  define('instruct', 'LLM instruct-tuned, w/o CF', 'instruct'),
  define('instruct-cf', 'LLM instruct-tuned, w/ CF', 'instruct', ['mf'], { prompt: { neighbors: true } }),
  ...closed,
  ...text,
  { ...define('softprompt-twice', 'Softprompt, as many steps as two stages', 'softprompt'), passes: 2 },
  { ...define('tallrec-twice', 'TALLRec, as many steps as two stages', 'tallrec'), passes: 2 },
  ...collm,
  ...underEq5,
  ...fused,
  define('ccf-lightgcn-alpha-1', 'CCF-LLM (LightGCN), α = 1', 'ccf', ['lightgcn'], { gate: { width: 'one' } }),
  define('ccf-lightgcn-alpha-r', 'CCF-LLM (LightGCN), α ∈ R', 'ccf', ['lightgcn'], { gate: { width: 'token' } }),
  ...pairs,
  define('ccf-lightgcn-stage-1', 'CCF-LLM (LightGCN), stage 1 only', 'ccf', ['lightgcn'], {
    training: { strategy: 'stage1-only' },
  }),
  define('ccf-lightgcn-end-to-end', 'CCF-LLM (LightGCN), end to end', 'ccf', ['lightgcn'], {
    training: { strategy: 'end-to-end' },
  }),
  ...controls,
];

/** An experiment by its key. @throws Error for a key that is not one */
export function paperExperiment(key: string): PaperExperiment {
  const found = paperExperiments.find((experiment) => experiment.key === key);
  if (found === undefined) throw new Error(`no experiment of the paper is named ${key}`);
  return found;
}
