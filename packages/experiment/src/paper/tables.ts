/** The tables and figures of the paper as data: which experiment each row shows, and the number that the paper prints. */

/** What `reproduce` can make. */
export const paperParts = ['table1', 'table2', 'table3', 'table4', 'table5', 'figure3', 'figure4'] as const;
/** A table or figure. */
export type PaperPart = (typeof paperParts)[number];

/** The data sets of the paper, by our names. */
export const paperDatasets = ['ml-1m', 'amazon-books'] as const;
/** A data set of the paper. */
export type PaperDataset = (typeof paperDatasets)[number];

/** A row of scores. */
export interface PaperRow {
  /** Unique: `table3/ccf-mf`. */
  readonly id: string;
  /** The table or figure that shows it. */
  readonly part: PaperPart;
  /** Rows of one group stand together, under this heading. */
  readonly group: string;
  /** Key of its experiment. */
  readonly experiment: string;
  /** The test AUC that the paper prints, by data set; absent where it prints none. */
  readonly published: Readonly<Partial<Record<PaperDataset, number>>>;
  /** Key of the experiment that the relative improvement (eq. 6) is measured from. */
  readonly base?: string;
  /** Data sets that the paper shows it on. */
  readonly datasets: readonly PaperDataset[];
}

const both = paperDatasets;
const movies: readonly PaperDataset[] = ['ml-1m'];

type RowOptions = Partial<Pick<PaperRow, 'published' | 'base' | 'datasets'>>;

function rows(part: PaperPart, group: string, listed: Readonly<Record<string, RowOptions>>): PaperRow[] {
  return Object.entries(listed).map(([experiment, options]) => ({
    ...{ id: `${part}/${experiment}`, part, group, experiment, published: {}, datasets: movies },
    ...options,
  }));
}

/** AUCs as the paper prints them, without the point: 7071 is .7071. */
const auc = (movies: number, books: number) => ({
  published: { 'ml-1m': movies / 1e4, 'amazon-books': books / 1e4 },
  datasets: both,
});
/**
 * Keys of the baselines that learn nothing. They stand in every table of scores, whichever of its rows are chosen: what
 * does not beat those of its class has learned nothing useful.
 */
export const trivialBaselines: readonly string[] = ['item-mean', 'mean', 'running-mean'];
const trivial = (part: PaperPart, datasets: readonly PaperDataset[]) =>
  rows(part, 'without learning (ours)', Object.fromEntries(trivialBaselines.map((key) => [key, { datasets }])));
const group3 = (cf: string, published: Readonly<Record<string, readonly [number, number]>>) =>
  rows(
    'table3',
    cf,
    Object.fromEntries(
      Object.entries(published).map(([key, [a, b]]) => [key, { ...auc(a, b), ...(key !== cf && { base: cf }) }]),
    ),
  );

/** All rows of scores, in the order of the paper. */
export const paperRows: readonly PaperRow[] = [
  ...rows('table2', 'closed-source LLM', {
    'closed-zero-shot-cf': { published: { 'ml-1m': 0.5902 } },
    'closed-zero-shot': { published: { 'ml-1m': 0.5783 } },
    'closed-tuned-cf': { published: { 'ml-1m': 0.6235 } },
    'closed-tuned': { published: { 'ml-1m': 0.5998 } },
  }),
  ...rows('table2', 'open LLM', {
    'zero-shot-cf': { published: { 'ml-1m': 0.6202 } },
    'zero-shot': { published: { 'ml-1m': 0.6184 } },
    'instruct-cf': { published: { 'ml-1m': 0.7108 } },
    instruct: { published: { 'ml-1m': 0.7084 } },
  }),
  ...rows('table2', 'with CF', {
    mf: { published: { 'ml-1m': 0.6482 } },
    'collm-mf': { published: { 'ml-1m': 0.7295 } },
    'ccf-mf': { published: { 'ml-1m': 0.7315 } },
  }),
  ...trivial('table2', movies),
  ...group3('mf', { mf: [6482, 7134], 'collm-mf': [7295, 8109], 'ccf-mf': [7315, 8150] }),
  ...group3('lightgcn', {
    lightgcn: [5959, 7103],
    'collm-lightgcn': [7100, 7978],
    'ccf-lightgcn': [7427, 8049],
  }),
  ...group3('sasrec', { sasrec: [7078, 6887], 'collm-sasrec': [7235, 7746], 'ccf-sasrec': [7526, 7792] }),
  ...rows('table3', 'without CF vectors', {
    softprompt: auc(7071, 7224),
    tallrec: { ...auc(7097, 7375), base: 'softprompt' },
    'softprompt-twice': { base: 'softprompt', datasets: both },
    'tallrec-twice': { base: 'softprompt', datasets: both },
  }),
  ...rows('table3', 'loss of eq. 5 (ours)', {
    'softprompt-eq5': { base: 'softprompt', datasets: both },
    'tallrec-eq5': { base: 'softprompt', datasets: both },
    'collm-mf-eq5': { base: 'mf', datasets: both },
    'collm-lightgcn-eq5': { base: 'lightgcn', datasets: both },
    'collm-sasrec-eq5': { base: 'sasrec', datasets: both },
  }),
  ...rows('table3', 'asymmetric SVD (ours)', {
    asvd: { datasets: both },
    'ccf-asvd': { base: 'asvd', datasets: both },
  }),
  ...rows('table3', 'controls (ours)', {
    'ccf-lightgcn-permuted-items': { base: 'ccf-lightgcn' },
    'ccf-lightgcn-permuted-users': { base: 'ccf-lightgcn' },
    'ccf-lightgcn-random-vectors': { base: 'ccf-lightgcn' },
    'ccf-lightgcn-permuted-at-evaluation': { base: 'ccf-lightgcn' },
  }),
  ...trivial('table3', both),
  ...rows('table4', 'strategies', {
    'ccf-lightgcn': { published: { 'ml-1m': 0.7427 } },
    'ccf-lightgcn-stage-1': { published: { 'ml-1m': 0.7025 }, base: 'ccf-lightgcn' },
    'ccf-lightgcn-end-to-end': { published: { 'ml-1m': 0.639 }, base: 'ccf-lightgcn' },
  }),
  ...trivial('table4', movies),
  // The values of Figure 3 are not in the text, so none is given.
  ...rows('figure3', 'a: how to fuse', {
    'ccf-lightgcn-alpha-1': { datasets: both },
    'ccf-lightgcn-alpha-r': { datasets: both },
    'collm-lightgcn': { datasets: both },
    'ccf-lightgcn': { datasets: both },
  }),
  ...rows('figure3', 'b: what to fuse', {
    'ccf-mf': { datasets: both },
    'ccf-sasrec': { datasets: both },
    'ccf-lightgcn-mf': { datasets: both },
    'ccf-lightgcn-sasrec': { datasets: both },
    'ccf-mf-sasrec': { datasets: both },
  }),
  ...trivial('figure3', both),
];

/** Table 1: users and items (with the padding, as the paper counts), and rows of each split. */
export const paperStatistics: Readonly<Record<PaperDataset, Readonly<Record<string, number>>>> = {
  'ml-1m': { users: 839, items: 3256, train: 33_891, valid: 10_401, test: 7331 },
  'amazon-books': { users: 22_967, items: 34_154, train: 727_468, valid: 25_747, test: 25_747 },
};

/** Figure 4: the experiment whose embeddings are shown, and of how many random items. */
export const paperMap = { experiment: 'ccf-sasrec', items: 1000 } as const;

/** Table 5: what LightGCN, the language model on text and CCF-LLM think of five films, as ranks, for user 4. */
export const paperCase = {
  /** Dense id of the user. */
  user: 4,
  /** Experiments in the order of `ranks`. */
  experiments: ['lightgcn', 'zero-shot', 'ccf-lightgcn'],
  /** Ours: what ranks the same items without learning. */
  baseline: 'item-mean',
  items: [
    { title: 'Deconstructing Harry', label: 1, ranks: [5, 2, 1] },
    { title: 'Big Daddy', label: 0, ranks: [4, 1, 4] },
    { title: "But I'm a Cheerleader", label: 1, ranks: [2, 3, 2] },
    { title: 'Desperately Seeking Susan', label: 1, ranks: [1, 4, 3] },
    { title: 'Lake Placid', label: 0, ranks: [3, 5, 5] },
  ],
} as const;
