// The page of this study, made of what was measured alone. Pure.

/**
 * How ranks lie on the cores, and by what they talk; null of one alone. `beside`: one rank, while another such job, which
 * it does not talk to, runs on the other core.
 * @typedef {{ ranks: number, cores: number, between: 'shared memory' | 'TCP' | null, beside?: true }} Layout
 *
 * Milliseconds of steps of one kind, as rank 0 saw them: of each, in sums between ranks, and of its processor.
 * @typedef {{ model: string, whole: number[], sums: number[], processor: number[] }} Steps
 *
 * @typedef {Layout & { adapter: string, steps: Steps[] }} StepsOf
 *
 * Megabytes of values summed a second, with f32 and f16 on the wire.
 * @typedef {Layout & { sums: { megabytes: number, f32: number, f16: number }[] }} SumsOf
 *
 * Milliseconds of steps that sum one table in pieces of a size, and of the processor.
 * @typedef {{ megabytes: number, whole: number[], processor: number[] }} Pieces
 *
 * Load is that of the machine before. Each round has the steps of all layouts.
 * @typedef {{ date: string, commit: string, processor: string, node: string, mpi: string, load: number, rounds: number,
 *   seconds: number, steps: StepsOf[], sums: SumsOf[], pieces: Pieces[] }} Measured
 */

/** What the page calls the kinds of steps. */
export const names = {
  mf: 'MF',
  lightGcn: 'LightGCN',
  few: 'LLM, 4 prompts',
  many: 'LLM, 16 prompts',
  afterwards: 'LLM, 4 prompts, summed after the backward pass',
};

/** Load of the machine below which the times of a run are its own. */
const IDLE = 0.5;

/** @param {readonly number[]} values at least one */
function median(values) {
  const sorted = values.toSorted((x, y) => x - y);
  const [low = 0, high = low] = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1);
  return (low + high) / 2;
}

/** Three digits. @param {number} value */
const short = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2).replace(/\B(?=(\d{3})+$)/, ',');

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(0)} %`;

/** @param {readonly (readonly string[])[]} rows the first one titles */
function table([titles = [], ...rows]) {
  const lines = [titles, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [lines[0], `|${'---|'.repeat(titles.length)}`, ...lines.slice(1)].join('\n');
}

/** A paragraph, or an entry of a list, in lines of at most 120 columns. @param {string} text */
function wrap(text) {
  const indent = text.startsWith('- ') ? '  ' : '';
  const lines = [''];
  for (const word of text.trim().split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line.trim() === '') lines[lines.length - 1] = `${line}${word}`;
    else if (line.length + 1 + word.length <= 120) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`${indent}${word}`);
  }
  return lines.join('\n');
}

/** @param {Layout} layout */
const wordsOf = ({ ranks, between }) => `${ranks} ranks by ${between}`;

/** @type {Layout} */
const ALONE = { ranks: 1, cores: 1, between: null };

/** The control: what a core can do while the other one works. @type {Layout} */
const BESIDE = { ...ALONE, beside: true };

/** Each layout once, in the order of the first round. @param {Measured} measured @returns {Layout[]} */
const layoutsOf = ({ steps, rounds }) => steps.slice(0, steps.length / rounds);

/**
 * Steps of one kind in all rounds; null where a layout has none.
 * @param {Measured} measured
 * @param {string} model
 * @param {Layout} layout
 */
function stepsOf({ steps }, model, { ranks, between, beside }) {
  const own = steps
    .filter((each) => each.ranks === ranks && each.between === between && each.beside === beside)
    .flatMap((each) => each.steps.filter((one) => one.model === model));
  if (own.length === 0) return null;
  const whole = own.flatMap((one) => one.whole);
  const total = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0);
  return {
    middle: median(whole),
    least: Math.min(...whole),
    most: Math.max(...whole),
    sums: total(own.flatMap((one) => one.sums)) / total(whole),
    processor: median(own.flatMap((one) => one.processor)),
  };
}

/** @typedef {NonNullable<ReturnType<typeof stepsOf>>} Times */

/** Whether no step of one kind took as long as one of the other. @param {Times} one @param {Times} other */
const differ = (one, other) => one.most < other.least || other.most < one.least;

/** The steps of one rank that a kind is compared with. @param {Measured} measured @param {string} model */
const aloneOf = (measured, model) => stepsOf(measured, model === names.afterwards ? names.few : model, ALONE);

/** @param {Measured} measured */
function stepsTable(measured) {
  const rows = Object.values(names).flatMap((model) =>
    layoutsOf(measured).flatMap((layout) => {
      const [own, one] = [stepsOf(measured, model, layout), aloneOf(measured, model)];
      if (own === null || one === null) return [];
      const times = [own.middle, own.least, own.most].map(short);
      const cells = [...times, `${(one.middle / own.middle).toFixed(2)} ×`, percent(own.sums), short(own.processor)];
      const ranks = layout.beside ? '1, another such job on the other core' : `${layout.ranks}`;
      return [[model, ranks, `${layout.cores}`, layout.between ?? '–', ...cells]];
    }),
  );
  const times = ['step, ms', 'from', 'to', 'steps beside one rank', 'in sums', 'processor, ms'];
  return table([['model', 'ranks', 'cores', 'between them', ...times], ...rows]);
}

/** Said in place of comparisons where other programs had a part in the times. */
const UNKNOWN = 'This run cannot tell: other programs used the cores.';

/** What ranks gain or cost, kind by kind. @param {Measured} measured */
function gains(measured) {
  if (measured.load >= IDLE) return UNKNOWN;
  const entries = [names.mf, names.lightGcn, names.few, names.many].flatMap((model) => {
    const one = aloneOf(measured, model);
    const words = layoutsOf(measured).flatMap((layout) => {
      const own = stepsOf(measured, model, layout);
      if (own === null || one === null || layout.ranks === 1) return [];
      const ratio = one.middle / own.middle;
      const verdict = !differ(own, one) ? 'differ from one by chance' : ratio > 1 ? 'gain' : 'lose';
      return [`${wordsOf(layout)} ${verdict} (${ratio.toFixed(2)} times as many steps)`];
    });
    return words.length > 0 ? [wrap(`- ${model}: ${words.join('; ')}.`)] : [];
  });
  return entries.join('\n');
}

/** Says what the control is, and what two ranks gain beside it; nothing of a run without one. @param {Measured} measured */
function control(measured) {
  const pairs = layoutsOf(measured).filter(({ ranks }) => ranks === 2);
  const gained = pairs.map((layout) => {
    const ratios = [names.mf, names.lightGcn, names.few, names.many].flatMap((model) => {
      const [one, own] = [stepsOf(measured, model, BESIDE), stepsOf(measured, model, layout)];
      return one && own ? [`${(one.middle / own.middle).toFixed(2)} (${model})`] : [];
    });
    return ratios.length > 0 ? `${wordsOf(layout)} take ${ratios.join(', ')} times as many steps` : '';
  });
  if (!gained.some(Boolean)) return '';
  const found = measured.load >= IDLE ? UNKNOWN : `Beside this control, ${gained.filter(Boolean).join('; ')}.`;
  return `One rank with another such job on the other core is a control: the two cores share parts of the processor and memory, so one that works may slow
the other, though the jobs do not talk to each other. ${found}`;
}

/** What sums gain that run beside the backward pass. @param {Measured} measured */
function overlap(measured) {
  if (measured.load >= IDLE) return UNKNOWN;
  const entries = layoutsOf(measured).flatMap((layout) => {
    const [overlapping, after] = [names.few, names.afterwards].map((model) => stepsOf(measured, model, layout));
    if (!overlapping || !after) return [];
    const share = after.middle / overlapping.middle - 1;
    const verdict = !differ(overlapping, after) ? 'no difference beyond chance' : share > 0 ? 'a gain' : 'a loss';
    const times = `${short(overlapping.middle)} ms with overlap, ${short(after.middle)} ms without`;
    return [wrap(`- ${wordsOf(layout)}: ${times}: ${verdict}.`)];
  });
  return entries.join('\n');
}

/** @param {Measured} measured */
function sumsTable({ sums }) {
  const titles = sums.flatMap((layout) => ['f32', 'f16'].map((wire) => `${wordsOf(layout)}, ${wire}`));
  const rows = (sums[0]?.sums ?? []).map(({ megabytes }, at) => [
    `${megabytes} MB`,
    ...sums.flatMap((layout) => [layout.sums[at]?.f32 ?? 0, layout.sums[at]?.f16 ?? 0].map(short)),
  ]);
  return table([['values', ...titles], ...rows]);
}

/** Whether f16 on the wire pays here. @param {Measured} measured */
function wires({ sums }) {
  const ratios = sums.flatMap((layout) => layout.sums.map(({ f32, f16 }) => f16 / f32));
  const faster = ratios.filter((ratio) => ratio > 1).length;
  const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)).join(' to ');
  return (
    `With f16 on the wire, sums are ${range} times as fast as with f32: faster in ${faster} of ${ratios.length} cases. ` +
    'Half as many bytes travel, but the host makes the halves, one value after the other. Training sends f32.'
  );
}

/** @param {Measured} measured */
function piecesTable({ pieces }) {
  const rows = pieces.map(({ megabytes, whole, processor }) => [
    `${megabytes} MB`,
    ...[median(whole), Math.min(...whole), Math.max(...whole), median(processor)].map(short),
  ]);
  return table([['pieces', 'step, ms', 'from', 'to', 'processor, ms'], ...rows]);
}

/** Where and when, and what that means for the times. @param {Measured} measured */
function origin({ date, commit, processor, node, mpi, load, seconds, steps }) {
  const state =
    load < IDLE
      ? `Nothing else used the machine before (load ${load.toFixed(1)}).`
      : `**Other programs used the cores too** (load ${load.toFixed(1)} before), so times are chance, and only their order of magnitude means something.`;
  return (
    `in ${Math.ceil(seconds / 60)} minutes at commit ${commit} on ${date}, on two cores of ${processor}, with the adapter ` +
    `${steps[0]?.adapter}, Node ${node} and Open MPI ${mpi}. ${state} [ranks.json](ranks.json) has all figures; ` +
    '`studies/ranks/main.mjs page` makes this page of them.'
  );
}

/** docs/results/ranks/README.md. @param {Measured} measured */
export function page(measured) {
  const { rounds } = measured;
  const text = `# ranks

What steps cost and gain on 1, 2 and 4 ranks, and how fast sums between them are. Made by

\`\`\`sh
npm run -s example -- studies/ranks/main.mjs ${rounds}
\`\`\`

${origin(measured)}

Each rank is bound to one core, and so is its software GPU, which has one thread. One rank on one core is compared with two
ranks on two cores, as one GPU would be with two. Four ranks share the two cores: they show what more ranks cost, and
cannot gain over two. TCP, by which several machines talk, goes over loopback.

## Steps

MF and LightGCN: generated clicks of 6,040 users and 3,706 items, vectors of 64 (2.5 MB of gradients), two layers, batches
of 8,192 rows for all ranks together, means of 8 steps. LLM: LoRA on a language model of random weights, width 256, 16
layers, rank 128 on four projections (17 MB of gradients), prompts of 32 tokens, 4 or 16 for all ranks together.

Medians of ${rounds === 1 ? 'one round' : `${rounds} rounds, in each of which all layouts have their turn`}, as rank 0
sees them; "from" and "to" are the fastest and the slowest. "Steps beside one rank" are the steps in the time of one rank
on one core. "In sums" is the time of sums between ranks, with waiting for slower ones, and also while the GPU computes.
"Processor" is that of rank 0 with its GPU.

${stepsTable(measured)}

${gains(measured)}

${control(measured)}

All parameters travel in every step, whatever the batch: what a rank saves must be more than that. Every rank propagates
LightGCN over the whole graph, so only the part of the batch gets less.

## Sums while the backward pass runs

Pieces of 4 MB are summed while the rest of the backward pass runs. (The gradients of MF and LightGCN are one piece.) Steps of
the language model that overlap, and steps that sum after the backward pass, take turns in one process:

${overlap(measured)}

A rank, its software GPU and its sums share one core, so what runs at the same time runs slower. Beside a GPU that computes
while the processor sums, overlap hides sums; nobody has measured that yet.

## Pieces of a table

Steps that sum the gradients of one table of 64 MB on 2 ranks by shared memory, in pieces of three sizes by turns, medians
of 6:

${piecesTable(measured)}

A table becomes final at once, so small pieces gain nothing, and each message costs. Gradients with a parameter of 16 MB or
more travel in pieces of 16 MB.

## Speed of sums

Megabytes of f32 values summed per second:

${sumsTable(measured)}

${wires(measured)}
`;
  const isProse = (/** @type {string} */ paragraph) => !/^[#|`-]/.test(paragraph);
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => (isProse(paragraph) ? wrap(paragraph) : paragraph));
  return `${paragraphs.join('\n\n')}\n`;
}
