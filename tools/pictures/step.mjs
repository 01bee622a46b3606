// One step of a training as a picture, from the trace that `--profile` wrote: what the host did, which kernels ran, and
// the memory of the step.
import { box, colors, dark, ink, line, picture, words } from './shapes.mjs';

/** @typedef {import('../../packages/gpu/src').TraceEvent} TraceEvent */
/** @typedef {import('../../packages/gpu/src').ChromeTrace} ChromeTrace */
/** @typedef {Extract<TraceEvent, { ph: 'X' }>} Bar */
/** @typedef {Extract<TraceEvent, { ph: 's' | 'f' }>} End */

const HOST = 1;
/** @type {(trace: ChromeTrace) => Bar[]} */
const barsOf = ({ traceEvents }) => traceEvents.filter((event) => event.ph === 'X');
/** @type {(time: number) => number} to the nanosecond */
const rounded = (time) => Math.round(1000 * time) / 1000;

/**
 * A trace of one step, which begins at 0, with the kernels of earlier steps that still run meanwhile.
 * @param {ChromeTrace} trace
 * @param {string} stage name of the step, such as `stage1`
 * @param {number} number which of the kept steps of this stage, from 1
 * @returns {ChromeTrace}
 */
export function cutStep(trace, stage, number) {
  const bars = barsOf(trace);
  const ends = /** @type {End[]} */ (trace.traceEvents.filter(({ ph }) => ph === 's' || ph === 'f'));
  // Arrows lead from steps of the host to their first kernels.
  const isOfStage = (/** @type {End} */ end) =>
    end.ph === 's' && bars.some(({ pid, name, ts }) => pid === HOST && name === stage && ts === end.ts);
  const from = ends.filter(isOfStage)[number - 1];
  const to = ends.find(({ ph, id }) => ph === 'f' && id === from?.id);
  const step = bars.find(({ pid, name, ts }) => pid === HOST && name === stage && ts === from?.ts);
  if (!from || !to || !step) throw new Error(`the trace has no step ${number} of ${stage} with kernels`);
  const next = Math.min(...ends.filter(({ ph, ts }) => ph === 'f' && ts > to.ts).map(({ ts }) => ts));
  const end = step.ts + step.dur;
  const isKept = (/** @type {TraceEvent} */ event) => {
    if (event.ph === 'M') return true;
    if (event.ph === 's' || event.ph === 'f') return event.id === from.id;
    if (event.ph === 'X' && event.pid !== HOST) return event.ts >= step.ts && event.ts < next;
    return event.ts >= step.ts && (event.ph === 'X' ? event.ts + event.dur : event.ts) <= end;
  };
  const kept = trace.traceEvents.filter(isKept);
  const tracks = new Set(kept.map((event) => ('tid' in event && event.ph !== 'M' ? `${event.pid}/${event.tid}` : '')));
  return {
    displayTimeUnit: trace.displayTimeUnit,
    traceEvents: kept
      .filter((event) => event.ph !== 'M' || event.tid === undefined || tracks.has(`${event.pid}/${event.tid}`))
      .map((event) => (event.ph === 'M' ? event : { ...event, ts: rounded(event.ts - step.ts) })),
  };
}

/** Kinds of kernels by their names, in the order of the legend; the last takes the rest. */
const kinds = /** @type {const} */ ([
  ['matrix products', 'user', /^matmul/],
  ['attention', 'item', /^(attention|rope)/],
  ['loss', 'bad', /loss|log-sum-exp/],
  ['optimizer', 'good', /^adam/],
  ['others', 'plain', /./],
]);
/** @type {(name: string) => (typeof kinds)[number]} */
const kindOf = (name) => /** @type {(typeof kinds)[number]} */ (kinds.find(([, , pattern]) => pattern.test(name)));

const [left, right] = [110, 690];
/** @type {(ms: number) => string} */
const inMs = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

/**
 * Draws a trace of one step.
 * @param {ChromeTrace} trace of `cutStep`
 * @param {string} title
 * @returns {string} SVG
 */
export function drawStep(trace, title) {
  const bars = barsOf(trace);
  const host = bars.filter(({ pid }) => pid === HOST);
  const all = bars.filter(({ pid }) => pid !== HOST);
  const arrow = /** @type {End | undefined} */ (trace.traceEvents.find(({ ph }) => ph === 'f'));
  const begin = arrow?.ts ?? 0;
  const kernels = all.filter(({ ts }) => ts >= begin);
  const memory = trace.traceEvents.flatMap((event) =>
    event.ph === 'C' ? [{ time: event.ts, bytes: event.args.step ?? 0 }] : [],
  );
  const end = Math.max(...bars.map(({ ts, dur }) => ts + dur));
  /** @type {(from: number, to: number) => (time: number) => number} */
  const scale = (from, to) => (time) => left + ((time - from) / (to - from)) * (right - left);
  const x = scale(0, end);
  const parts = [];
  const label = (/** @type {number} */ y, /** @type {string} */ text) =>
    parts.push(words(left - 10, y, text, { anchor: 'end' }));

  // The host: bars that lie within others are a row further down.
  label(50, 'host');
  for (const bar of host) {
    const depth = host.filter(
      (other) => other !== bar && other.ts <= bar.ts && other.ts + other.dur >= bar.ts + bar.dur && other.dur > bar.dur,
    ).length;
    const [from, width] = [x(bar.ts), x(bar.ts + bar.dur) - x(bar.ts)];
    const y = 34 + 26 * depth;
    parts.push(box(from, y, Math.max(1, width), 24, bar.name === 'wait' ? 'plain' : 'good', 2));
    if (width > 9 * bar.name.length) parts.push(words(from + width / 2, y + 16, bar.name, { fill: dark }));
  }

  // All kernels, then the first of them, larger.
  /** @type {(shown: readonly Bar[], y: number, at: (time: number) => number, named: boolean) => void} */
  const strip = (shown, y, at, named) => {
    for (const { name, ts, dur } of shown) {
      const [from, width] = [at(ts), at(ts + dur) - at(ts)];
      const [fill, stroke] = colors[kindOf(name)[1]];
      parts.push(
        `<path d="M${from.toFixed(2)} ${y}h${width.toFixed(2)}v26h-${width.toFixed(2)}z" fill="${named ? fill : stroke}"${named ? ` stroke="${stroke}"` : ''}/>`,
      );
      if (named && width > 7.2 * name.length)
        parts.push(words(from + width / 2, y + 17, name, { fill: dark, size: 11 }));
    }
  };
  label(117, 'kernels');
  parts.push('<g opacity="0.35">');
  strip(
    all.filter(({ ts }) => ts < begin),
    100,
    x,
    false,
  );
  parts.push('</g>');
  if (x(begin) - left > 120) parts.push(words((left + x(begin)) / 2, 117, 'of the step before', { fill: dark }));
  strip(kernels, 100, x, false);
  const from = kernels[0]?.ts ?? 0;
  const shown = kernels.slice(0, Math.ceil(kernels.length / 16));
  const to = Math.max(...shown.map(({ ts, dur }) => ts + dur));
  const near = scale(from, to);
  parts.push(line(x(from), 127, left, 150, { dashed: true }), line(x(to), 127, right, 150, { dashed: true }));
  label(161, `its first ${shown.length}`);
  label(175, inMs((to - from) / 1000));
  strip(shown, 152, near, true);

  // The memory of the step, in steps: a value holds until the next.
  const most = Math.max(1, ...memory.map(({ bytes }) => bytes));
  const y = (/** @type {number} */ bytes) => 250 - 46 * (bytes / most);
  const path = memory.map(
    ({ time, bytes }, at) =>
      `${at === 0 ? 'M' : 'H'}${x(time).toFixed(1)} ${at === 0 ? '' : 'V'}${y(bytes).toFixed(1)}`,
  );
  label(224, 'memory of');
  label(238, 'the step');
  parts.push(`<path d="${path.join('')}H${right}" fill="none" stroke="${colors.item[1]}" stroke-width="1.8"/>`);
  parts.push(words(right, 214, `at most ${(most / 2 ** 20).toFixed(1)} MiB`, { anchor: 'end' }));

  // Time, in round numbers.
  const tick = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((ms) => end / 1000 / ms <= 8) ?? 5000;
  parts.push(line(left, 258, right, 258));
  for (let ms = 0; ms <= end / 1000; ms += tick) {
    parts.push(line(x(1000 * ms), 258, x(1000 * ms), 263), words(x(1000 * ms), 277, `${ms}`));
  }
  label(277, 'ms');

  // What the colors mean, with the time of each kind.
  let place = 24;
  for (const [name, color] of kinds) {
    const sum = kernels.filter((kernel) => kindOf(kernel.name)[0] === name).reduce((total, { dur }) => total + dur, 0);
    if (sum === 0) continue;
    const text = `${name} ${inMs(sum / 1000)}`;
    parts.push(`<path d="M${place} 296h12v12h-12z" fill="${colors[color][1]}"/>`);
    parts.push(words(place + 18, 306, text, { anchor: 'start', fill: ink }));
    place += 36 + 6.4 * text.length;
  }
  return picture(
    title,
    `Along the time of one step: the host records it and waits for the step before, then its ${kernels.length} kernels run. The memory of the step rises and falls while it is recorded.`,
    320,
    parts,
  );
}
