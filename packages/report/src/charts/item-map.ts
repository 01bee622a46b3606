/** A map of items in the embedding space of a language model: one joint t-SNE of all kinds of embeddings. */
import { type TSneMap, tSne } from '@crossgate/eval';
import type { ItemEmbeddings, Session } from '@crossgate/experiment';
import type { Point } from './line-panel';
import { palette, picture } from './picture';
import { mapPanel, type ScatterGroup } from './scatter-panel';

/** One kind of embedding. */
export interface EmbeddingKind {
  /** Such as `titles`. */
  readonly name: string;
  /** [items, hiddenSize] */
  readonly values: Float32Array;
}

/** What is placed on one map: aligned CF vectors, titles, and fused titles. */
export function embeddingKinds({ backends, title, fused }: ItemEmbeddings): EmbeddingKind[] {
  const several = backends.length > 1;
  return [
    ...backends.map(({ name, aligned }, i) => ({
      name: several ? `aligned CF vectors ${i + 1} (${name})` : 'aligned CF vectors',
      values: aligned,
    })),
    { name: 'titles', values: title },
    ...(fused === null ? [] : [{ name: 'fused titles', values: fused }]),
  ];
}

/** A drawn map. */
export interface ItemMap {
  /** An SVG document. */
  readonly svg: string;
  /** What is on it, in the order of the colors. */
  readonly kinds: readonly EmbeddingKind[];
  /** The positions: those of all items by the first kind, then by the second, and so on. */
  readonly map: TSneMap;
}

/**
 * Draws the map, which takes about half a minute for 3,000 points.
 * @param titles of the items, in their order
 * @throws the reason of the session's signal
 */
export async function drawItemMap(
  embeddings: ItemEmbeddings,
  titles: readonly string[],
  {
    session,
    seed,
    legend = false,
  }: {
    /** Shows progress, and stops the work. */
    readonly session: Pick<Session, 'progress' | 'signal'>;
    /** Of the initial positions. */
    readonly seed: number;
    /** Whether the picture says what the colors are, for use outside a page. Default false. */
    readonly legend?: boolean;
  },
): Promise<ItemMap> {
  const kinds = embeddingKinds(embeddings);
  const { hiddenSize } = embeddings;
  const size = titles.length * hiddenSize;
  const values = new Float32Array(kinds.length * size);
  for (const [i, kind] of kinds.entries()) values.set(kind.values, i * size);
  const task = session.progress.start('t-SNE', 1000, 'steps');
  const { signal } = session;
  const map = await tSne(
    { values, columns: hiddenSize },
    { seed, signal, onProgress: (done) => task.update(done) },
  ).finally(() => task.finish());
  const groups = kinds.map(
    ({ name }, i): ScatterGroup => ({
      ...{ titles, color: palette[i]!, hollow: name === 'titles', ...(legend && { name }) },
      points: pointsOf(map, i * titles.length, titles.length),
    }),
  );
  const svg = await picture(`Map of ${titles.length} items`, '', [mapPanel(groups)]);
  return { svg, kinds, map };
}

const pointsOf = ({ positions }: TSneMap, first: number, count: number): Point[] =>
  Array.from({ length: count }, (_, i) => [positions[2 * (first + i)]!, positions[2 * (first + i) + 1]!] as const);
