/** α of the gate: by dimension, and by how popular items are. */
import { decimals } from '@crossgate/core';
import type { BackendEmbeddings, ItemEmbeddings } from '@crossgate/experiment';
import { linePanel, type Point, smooth } from '../charts/line-panel';
import { palette, picture } from '../charts/picture';
import { scatterPanel } from '../charts/scatter-panel';
import { type Cell, figure, html, type Markup, table } from './html';

/** Groups of items with about as many in each. */
const GROUPS = 6;

/** What the gate does to an item. */
interface GatedItem {
  /** Train rows of the item. */
  readonly rows: number;
  /** Mean of α over the dimensions. */
  readonly alpha: number;
  /** ‖α ⊙ CF vector‖ / ‖title‖: how far the CF vector moves the title. */
  readonly share: number;
}

/** α of each dimension: its mean over the items, and the quantiles between which eight of ten items lie. */
export interface DimensionAlpha {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** @param alpha [items, width] */
export function alphaByDimension(alpha: Float32Array, width: number): DimensionAlpha[] {
  const items = alpha.length / width;
  return Array.from({ length: width }, (_, dimension) => {
    const values = Float64Array.from({ length: items }, (_, item) => alpha[item * width + dimension]!).sort();
    const at = (share: number) => values[Math.round(share * (items - 1))]!;
    return { mean: values.reduce((sum, value) => sum + value, 0) / items, low: at(0.1), high: at(0.9) };
  });
}

/**
 * Items by popularity, in groups of about as many; items that are equally popular stay together, and those without train
 * rows, whose CF vectors are zero, by themselves.
 */
export function byPopularity<Item extends { readonly rows: number }>(items: readonly Item[]): Item[][] {
  const sorted = [...items].sort((a, b) => a.rows - b.rows);
  const cold = sorted.filter(({ rows }) => rows === 0);
  const groups: Item[][] = cold.length === 0 ? [] : [cold];
  for (let start = cold.length; start < sorted.length; ) {
    const size = Math.ceil((sorted.length - start) / Math.max(1, GROUPS - groups.length));
    const { rows } = sorted[start + size - 1]!;
    let end = start + size;
    while (sorted[end]?.rows === rows) end++;
    groups.push(sorted.slice(start, end));
    start = end;
  }
  return groups;
}

/**
 * α of each backend.
 * @param rows train rows of each item
 * @returns null for a run without a gate
 */
export async function gatePart(
  { backends, title, hiddenSize }: ItemEmbeddings,
  rows: Int32Array,
): Promise<Markup | null> {
  const gated = backends.filter(({ alpha }) => alpha !== null);
  if (gated.length === 0) return null;
  const each: Markup[] = [];
  for (const backend of gated) each.push(await backendPart(backend, title, hiddenSize, rows, backends.length > 1));
  return html`${each}`;
}

async function backendPart(
  { name, aligned, alpha }: BackendEmbeddings,
  title: Float32Array,
  width: number,
  rows: Int32Array,
  several: boolean,
): Promise<Markup> {
  const values = alpha!;
  const what = several ? `α of ${name}` : 'α';
  const dimensions = alphaByDimension(values, width).sort((a, b) => a.mean - b.mean);
  const curve = (key: keyof DimensionAlpha) => smooth(dimensions.map((each, i) => [i + 1, each[key]] as const));
  const series = [
    { name: '80 % of items', points: curve('low'), color: palette[4]! },
    { name: '', points: curve('high'), color: palette[4]! },
    { name: 'mean', points: curve('mean'), color: palette[0]! },
  ];
  const items = Array.from(rows, (count, item) => gatedItem(values, aligned, title, width, item, count));
  const groups = byPopularity(items);
  const points = (key: 'alpha' | 'share') => items.map((item): Point => [Math.log10(1 + item.rows), item[key]]);
  const means = groups.map(
    (group): Point => [
      meanOf(group.map((item) => Math.log10(1 + item.rows))),
      meanOf(group.map(({ alpha: own }) => own)),
    ],
  );
  const negative = dimensions.filter(({ mean }) => mean < 0).length;
  const popular = groups.map((group): Cell[] => {
    const [low, high] = [group[0]!.rows, group.at(-1)!.rows];
    const range = low === high ? `${low}` : `${low} – ${high}`;
    const numbers = [meanOf(group.map(({ alpha: own }) => own)), meanOf(group.map(({ share }) => share))];
    return [range, group.length, ...numbers.map((value) => decimals(value))];
  });
  return html`${figure(
    await picture(`${what} by dimension`, '', [
      linePanel(`${what} of each dimension, from the least to the greatest mean`, series),
    ]),
    [
      `The mean over items and titles’ tokens goes from ${decimals(dimensions[0]!.mean)} to ${decimals(dimensions.at(-1)!.mean)} `,
      `over ${width} dimensions; ${negative} means are negative. The outer lines hold eight of ten items.`,
    ],
  )}${figure(
    await picture(`${what} by popularity`, '', [
      scatterPanel(
        { x: 'log₁₀ of 1 + train rows of the item', y: `${what}, mean over dimensions` },
        [{ points: points('alpha'), color: palette[0]! }],
        means,
      ),
    ]),
    'Each dot is an item; the line joins the means of the groups in the table. Items without train rows have CF vectors of zero.',
  )}${table(`${what} by popularity of items`, ['train rows', 'items', 'mean α', '‖α ⊙ CF‖ / ‖title‖'], popular)}`;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function gatedItem(
  alpha: Float32Array,
  aligned: Float32Array,
  title: Float32Array,
  width: number,
  item: number,
  rows: number,
): GatedItem {
  let [sum, moved, length] = [0, 0, 0];
  for (let k = item * width; k < (item + 1) * width; k++) {
    sum += alpha[k]!;
    moved += (alpha[k]! * aligned[k]!) ** 2;
    length += title[k]! ** 2;
  }
  // A title without tokens has no length to compare with.
  return { rows, alpha: sum / width, share: length === 0 ? 0 : Math.sqrt(moved / length) };
}
