/** Items in the embedding space of the language model: the map of them, and how the gate weighs their CF vectors. */
import { decimals } from '@crossgate/core';
import { type Dataset, sampleRows } from '@crossgate/data';
import { fusedItemEmbeddings, type ItemEmbeddings, openRunFiles, type Session } from '@crossgate/experiment';
import { drawItemMap } from '../charts/item-map';
import { gatePart } from './gate-section';
import { figure, html, type Markup, section } from './html';
import type { Parts } from './parts';
import type { ReportedRun } from './read-run';

/** What the parts that need a language model work with. */
export interface ModelWork {
  /** Lends device, model and data. */
  readonly session: Session;
  /** `--set` arguments: where data and models lie. */
  readonly set: readonly string[];
  /** Most items on a map. */
  readonly items: number;
  /** Draws the items and the initial positions. */
  readonly seed: number;
}

/** The map of items and the part on the gate, for each run with CF vectors in the space of a language model. */
export async function itemsSections(
  runs: readonly ReportedRun[],
  work: ModelWork,
  parts: Parts,
): Promise<{ items: Markup; gate: Markup }> {
  const [maps, gates]: [Markup[], Markup[]] = [[], []];
  for (const [index, run] of runs.entries()) {
    const { shown, name } = run;
    let found: { embeddings: ItemEmbeddings; dataset: Dataset; chosen: Int32Array } | undefined;
    const id = index + 1;
    const map = await parts.attempt('items', [name], async () => {
      const { dataset } = await openRunFiles(work.session, shown, work.set);
      const { itemCount } = dataset;
      const chosen = sampleRows(itemCount, Math.min(work.items, itemCount), work.seed).map((row) => row + 1);
      const embeddings = await fusedItemEmbeddings(shown, work.session, chosen, work.set);
      found = { embeddings, dataset, chosen };
      const titles = Array.from(chosen, (item) => dataset.items[item]!.title);
      return section(`items-${id}`, 3, name, await itemMap(embeddings, titles, work, `items-${id}`));
    });
    maps.push(map);
    if (found === undefined) {
      gates.push(parts.leaveOut('gate', [name], parts.missing.at(-1)!.reason));
      continue;
    }
    const { embeddings, dataset, chosen } = found;
    const gate = await gatePart(embeddings, popularity(dataset, chosen));
    gates.push(section(`gate-${id}`, 3, name, gate ?? parts.leaveOut('gate', [name], 'no gate, so every α is 1')));
  }
  return {
    items: section('items', 2, 'Items in the space of the language model', maps),
    gate: section('gate', 2, 'What the gate lets through', gates),
  };
}

/** Train rows of each item. */
function popularity({ splits: { train }, itemCount }: Dataset, items: Int32Array): Int32Array {
  const counts = new Int32Array(itemCount + 1);
  for (const item of train.item) counts[item]!++;
  return items.map((item) => counts[item]!);
}

async function itemMap(
  embeddings: ItemEmbeddings,
  titles: readonly string[],
  { session, seed }: ModelWork,
  id: string,
): Promise<Markup> {
  const { svg, kinds, map } = await drawItemMap(embeddings, titles, { session, seed });
  const boxes = kinds.map(
    ({ name }, i) => html`<label class="color-${i}"><input type="checkbox" value="${name}" checked> ${name}</label>`,
  );
  return html`<div class="map">
<div class="controls" hidden>
<label for="${id}-search">Find items</label>
<input type="search" id="${id}-search" autocomplete="off">
<fieldset><legend class="soft">Show</legend>${boxes}</fieldset>
</div>
<p class="status" role="status" aria-live="polite"></p>
<ul class="found"></ul>
${figure(svg, [
  `One t-SNE (exact, perplexity ${decimals(map.perplexity, 0)}) of ${kinds.length} points for each of ${titles.length} items. `,
  'A title stands for the mean of its tokens’ embeddings, a fused title for the mean after the gate has added the CF ',
  `vector. Near points stay near; distances between far points mean little. Divergence ${decimals(map.divergence, 3)}.`,
  html`<ul class="legend">${kinds.map(({ name }, i) => html`<li class="color-${i}">${name}</li>`)}</ul>`,
])}</div>
`;
}
