/** A panel of one quantity by the values of a setting: numbers on an axis, plain or logarithmic, or names side by side. */
import { ink, type Panel, type Plot, paddedRange, palette } from './picture';

/** One dot. */
export interface ValueDot {
  /** Value of the setting. */
  readonly value: unknown;
  /** The quantity. */
  readonly objective: number;
  /** What the dot is, as its title. */
  readonly title: string;
  /** How it is drawn: `done` filled, `best` larger and in another color, `other` as a ring. */
  readonly kind: 'done' | 'best' | 'other';
}

/** From this ratio of the largest value to the smallest on, an axis of numbers is logarithmic. */
const LOG_RATIO = 10;

/** An axis with no more numbers than these has a tick at each. */
const FEW = 6;

/** Ticks of numbers: the values where they are few, else some in each decade; null: as Plot has them. */
function ticksOf(values: readonly number[], isLog: boolean): readonly number[] | null {
  const distinct = [...new Set(values)];
  if (distinct.length <= FEW) return distinct;
  if (!isLog) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = last - first > 3 ? [1] : [1, 2, 5];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    .flatMap((power) => steps.map((step) => Number(`${step}e${power}`)))
    .filter((tick) => tick >= low && tick <= high);
}

/**
 * Builds the panel.
 * @param label stands above it
 * @param log whether the axis is logarithmic; default: where all values are above 0 and span a factor of 10
 */
export function valuePanel(label: string, dots: readonly ValueDot[], log?: boolean): Panel {
  const values = dots.map(({ value }) => value);
  const areNumbers = values.every((value) => typeof value === 'number');
  const numbers = areNumbers ? (values as number[]) : [];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = areNumbers && low > 0 && (log ?? high / low >= LOG_RATIO);
  const ticks = areNumbers ? ticksOf(numbers, isLog) : null;
  const nameOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  // The best is drawn last, over the others.
  const placed = [...dots]
    .sort((a, b) => Number(a.kind === 'best') - Number(b.kind === 'best'))
    .map((dot) => ({ ...dot, x: areNumbers ? dot.value : nameOf(dot.value) }));
  const of = (kind: ValueDot['kind']) => placed.filter((dot) => dot.kind === kind);
  const at = { x: 'x', y: 'objective', title: 'title' } as const;
  const ratio = (high / low) ** 0.04 || 1.1;
  const domain = isLog ? [low / Math.max(ratio, 1.02), high * Math.max(ratio, 1.02)] : paddedRange(numbers, 0.04);
  return {
    height: 190,
    options: (Plot: Plot) => ({
      ...{ marginLeft: 64, marginRight: 24, marginTop: 36, marginBottom: 32 },
      x: areNumbers
        ? { type: isLog ? 'log' : 'linear', domain, label: null }
        : { type: 'point', domain: [...new Set(values.map(nameOf))], padding: 0.5, label: null },
      y: {
        domain: paddedRange(
          dots.map(({ objective }) => objective),
          0.08,
        ),
        label: null,
      },
      marks: [
        Plot.gridY({ ticks: 4, stroke: ink, strokeOpacity: 0.25 }),
        Plot.axisY({ ticks: 4, tickSize: 0 }),
        Plot.axisX({
          tickSize: 0,
          ...(areNumbers && { ticks: ticks ?? FEW }),
          // Plot's own words for 0.01 on a logarithmic axis are 10m.
          ...(ticks !== null && { tickFormat: String }),
        }),
        Plot.dot(of('other'), { ...at, r: 3, fill: 'none', stroke: palette[0]! }),
        Plot.dot(of('done'), { ...at, r: 3.5, fill: palette[0]!, fillOpacity: 0.7 }),
        Plot.dot(of('best'), { ...at, r: 6, fill: palette[1]! }),
        Plot.text([label], { frameAnchor: 'top-left', dx: -56, dy: -20, textAnchor: 'start' }),
      ],
    }),
  };
}
