// A profile as numbers and as text: time by kernel, host time by span, memory by purpose.
import { significant, textTable } from '@crossgate/core';
import { formatBytes } from '../byte-sizes';
import type { MemoryReport } from '../memory';
import type { KernelRow, Profiler } from './profiler';
import { chromeTrace } from './trace';

/** Time of one kernel in the kept steps of a stage. */
export interface KernelTime {
  /** Name of the kernel. */
  readonly name: string;
  /** Dispatches. */
  readonly calls: number;
  /** Milliseconds of all of them. */
  readonly ms: number;
  /** Mean milliseconds of one. */
  readonly mean: number;
  /** Share of the time in all kernels of the stage, 0 … 1. */
  readonly share: number;
}

/** The kept steps of one stage. */
export interface StageSummary {
  /** Name of the stage; empty for what was measured outside steps. */
  readonly stage: string;
  /** Steps that are kept. */
  readonly steps: number;
  /** Steps that there were. */
  readonly of: number;
  /** Mean milliseconds of a kept step on the host's clock; null outside steps. */
  readonly msPerStep: number | null;
  /** Mean milliseconds that kernels take in a kept step, or all of them outside steps; null without timestamps. */
  readonly kernelMs: number | null;
  /** Time by kernel, the longest first; empty without timestamps. */
  readonly kernels: readonly KernelTime[];
}

/** Host time of all spans of one name, over the whole time. */
export interface SpanTime {
  /** What was done. */
  readonly name: string;
  /** How often. */
  readonly calls: number;
  /** Milliseconds, with the spans inside. */
  readonly ms: number;
  /** Milliseconds without the spans inside. These add up, with {@link ProfileSummary.otherMs}, to the whole time. */
  readonly own: number;
  /** Milliseconds of the longest. */
  readonly longest: number;
}

/** What a profile found. */
export interface ProfileSummary {
  /** The adapter and whether it has timestamps; null where no GPU was used. */
  readonly adapter: { readonly name: string; readonly timestamps: boolean } | null;
  /** Milliseconds since the profiler was made. */
  readonly ms: number;
  /** Stages in the order of their first steps. */
  readonly stages: readonly StageSummary[];
  /** Host time by span, most own time first. */
  readonly spans: readonly SpanTime[];
  /** Milliseconds in no span. */
  readonly otherMs: number;
  /** Bytes on the device; null where no GPU was used. */
  readonly memory: MemoryReport | null;
  /** Greatest resident bytes of the process, where the caller knows them. */
  readonly processPeak: number | null;
  /** What the reader should know of these figures. */
  readonly notes: readonly string[];
}

/**
 * Sums up a profile. Call it when the device is idle (`recorder.synchronize()`): times of kernels that still run are not
 * in it.
 * @param processPeak greatest resident bytes of the process
 */
export function summarizeProfile(profiler: Profiler, processPeak: number | null = null): ProfileSummary {
  const { used, totals } = profiler;
  const hasTimestamps = used?.timestamps ?? false;
  const ms = performance.now() - profiler.started;
  const stages = ['', ...profiler.stages.keys()]
    .map((stage) => summarizeStage(profiler, stage, hasTimestamps))
    .filter(({ steps, kernels }) => steps > 0 || kernels.length > 0);
  const spans = [...totals]
    .map(([name, { calls, milliseconds, own, longest }]) => ({ name, calls, ms: milliseconds, own, longest }))
    .sort((a, b) => b.own - a.own);
  const notes = [
    ...(used === null ? ['no GPU was used'] : []),
    ...(used && !hasTimestamps ? [`${used.name} has no timestamp queries: host times only, no time by kernel`] : []),
    ...(hasTimestamps ? ['a measured dispatch has a pass of its own, so measured steps take longer than others'] : []),
    ...(profiler.isFull ? ['there were more events than are kept: the trace ends before the work does'] : []),
  ];
  return {
    adapter: used && { name: used.name, timestamps: hasTimestamps },
    ...{ ms, stages, spans },
    otherMs: Math.max(0, ms - spans.reduce((sum, { own }) => sum + own, 0)),
    memory: profiler.memory,
    ...{ processPeak, notes },
  };
}

function summarizeStage(profiler: Profiler, stage: string, hasTimestamps: boolean): StageSummary {
  const record = profiler.stages.get(stage);
  const kept = record?.kept ?? [];
  const rows: KernelRow[] = profiler.rows(stage);
  const all = rows.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
  const steps = kept.length;
  return {
    ...{ stage, steps, of: record?.seen ?? 0 },
    msPerStep: steps === 0 ? null : kept.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / steps,
    kernelMs: hasTimestamps ? all / 1e6 / Math.max(1, steps) : null,
    kernels: rows.map(({ name, count, nanoseconds }) => ({
      ...{ name, calls: count, ms: nanoseconds / 1e6, mean: nanoseconds / 1e6 / count },
      share: nanoseconds / Math.max(1, all),
    })),
  };
}

/** Milliseconds as they are shown. */
const shown = (ms: number) => (ms >= 1000 ? ms.toFixed(0) : significant(ms));
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** The summary as plain text: one table of kernels for each stage, one of spans, one of memory. */
export function formatProfile({ adapter, ms, stages, spans, otherMs, memory, ...rest }: ProfileSummary): string {
  const lines = [`${adapter?.name ?? 'no GPU'}, ${(ms / 1000).toFixed(1)} s`, ...rest.notes];
  for (const { stage, steps, of, msPerStep, kernelMs, kernels } of stages) {
    const what =
      steps === 0
        ? 'outside steps'
        : `${stage}: ${steps} of ${of} steps, a step takes the host ${shown(msPerStep!)} ms`;
    const inKernels = kernelMs === null ? '' : `, kernels ${shown(kernelMs)} ms`;
    lines.push('', `${what}${inKernels}`);
    if (kernels.length === 0) continue;
    lines.push(
      textTable([
        ['kernel', 'calls', 'ms', 'mean ms', 'share'],
        ...kernels.map(({ name, calls, ms: all, mean, share }) => [
          ...[name, `${calls}`, shown(all), shown(mean)],
          percent(share),
        ]),
      ]),
    );
  }
  lines.push(
    '',
    'host, over the whole time',
    textTable([
      ['span', 'calls', 'ms', 'own ms', 'longest ms', 'share'],
      ...spans.map(({ name, calls, ms: all, own, longest }) => [
        ...[name, `${calls}`, shown(all), shown(own), shown(longest)],
        percent(own / ms),
      ]),
      ['in no span', '', '', shown(otherMs), '', percent(otherMs / ms)],
    ]),
  );
  if (memory) lines.push('', 'memory on the device', memoryTable(memory));
  if (rest.processPeak !== null) lines.push('', `the process took at most ${formatBytes(rest.processPeak)} of memory`);
  return `${lines.join('\n')}\n`;
}

function memoryTable({ persistent, step, total, peak }: MemoryReport): string {
  const purposes = [...new Set([...Object.keys(peak.purposes), ...Object.keys(persistent)])];
  const now: Readonly<Record<string, number>> = { ...persistent, step: step.current + step.pooled };
  return textTable([
    ['purpose', 'at the peak', 'at the end'],
    ...purposes
      .map((purpose) => [purpose, peak.purposes[purpose] ?? 0, now[purpose] ?? 0] as const)
      .sort((a, b) => b[1] - a[1])
      .map(([purpose, most, last]) => [purpose, formatBytes(most), formatBytes(last)]),
    ['all', formatBytes(peak.total), formatBytes(total)],
  ]);
}

/**
 * A profile as files: `profile.json` for Perfetto and chrome://tracing, `profile.txt` with the tables, `summary.json` with
 * the same figures.
 * @returns names and contents
 */
export function profileFiles(profiler: Profiler, processPeak: number | null = null): [name: string, text: string][] {
  const summary = summarizeProfile(profiler, processPeak);
  const { traceEvents, ...others } = chromeTrace(profiler);
  // An event a line: half the size of an indented document, and readable still.
  const events = traceEvents.map((event) => JSON.stringify(event)).join(',\n');
  return [
    ['profile.json', `{${JSON.stringify(others).slice(1, -1)},"traceEvents":[\n${events}\n]}\n`],
    ['profile.txt', formatProfile(summary)],
    ['summary.json', `${JSON.stringify(summary, null, 2)}\n`],
  ];
}
