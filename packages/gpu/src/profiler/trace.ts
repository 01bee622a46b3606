// A profile in Chrome's Trace Event format, which Perfetto and chrome://tracing open.
import type { DispatchTime, HostSpan, MemorySample, Profiler, StepRecord } from './profiler';

/** One event of Chrome's Trace Event format. Times are in microseconds since the profiler was made. */
export type TraceEvent =
  | {
      /** Something that has a duration: a kernel, or a span of the host. */
      readonly ph: 'X';
      /** Name of the kernel or of the span. */
      readonly name: string;
      /** `kernel` or `host`. */
      readonly cat: string;
      /** 1 is the host, 2 the GPU. */
      readonly pid: number;
      /** Number of the track in it, from 1. */
      readonly tid: number;
      /** When it began. */
      readonly ts: number;
      /** How long it took. */
      readonly dur: number;
    }
  | {
      /** Values at a moment: bytes of device memory by purpose. */
      readonly ph: 'C';
      /** What is counted. */
      readonly name: string;
      /** As above. */
      readonly pid: number;
      /** The moment. */
      readonly ts: number;
      /** The values by name. */
      readonly args: Readonly<Record<string, number>>;
    }
  | {
      /** An end of an arrow: `s` where a step of the host begins, `f` where its first kernel does. */
      readonly ph: 's' | 'f';
      /** `f` alone: the arrow ends at the bar that it is in, not at the next one. */
      readonly bp?: 'e';
      /** Of both ends. */
      readonly id: number;
      /** `kernels of the step` */
      readonly name: string;
      /** `step` */
      readonly cat: string;
      /** As above. */
      readonly pid: number;
      /** As above. */
      readonly tid: number;
      /** The moment. */
      readonly ts: number;
    }
  | {
      /** A name of a process or of a track, or its place from above. */
      readonly ph: 'M';
      /** `process_name`, `process_sort_index`, `thread_name` or `thread_sort_index`. */
      readonly name: string;
      /** As above. */
      readonly pid: number;
      /** As above. */
      readonly tid?: number;
      /** The name, or the place. */
      readonly args: { readonly name: string } | { readonly sort_index: number };
    };

/** The document of a trace. */
export interface ChromeTrace {
  /** The events; those with a duration are in the order of their begin, track by track, and values in that of time. */
  readonly traceEvents: readonly TraceEvent[];
  /** The unit that viewers show. */
  readonly displayTimeUnit: 'ms';
}

/** A bar of a track. Milliseconds since the profiler was made. */
interface Bar {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
  /** Of the arrow that begins or ends here. */
  readonly arrow: number | undefined;
}

/** Arrows by their ends: the span of a step, and its first kernel. */
type Arrows = ReadonlyMap<HostSpan | DispatchTime, number>;

const HOST = 1;
const GPU = 2;

/**
 * The trace of all that a profiler keeps. An arrow leads from each step of the host to its first kernel, since kernels
 * may run long after the step that recorded them.
 *
 * The GPU's clock begins anywhere. Its times are moved, stage by stage, so that no kernel begins before the host had
 * submitted it, and one begins just then.
 */
export function chromeTrace(profiler: Profiler): ChromeTrace {
  const { started, used } = profiler;
  const steps = profiler.kept();
  const arrows = arrowsOf(steps);
  const kernels = ['', ...profiler.stages.keys()].flatMap((stage) =>
    onHostClock(
      steps.flatMap((step) => (step.stage === stage ? step.dispatches : [])),
      started,
      arrows,
    ),
  );
  const spans = [...profiler.outside, ...steps.flatMap((step) => step.spans)].map(
    (span): Bar => ({
      name: span.name,
      begin: span.begin - started,
      end: span.end - started,
      arrow: arrows.get(span),
    }),
  );
  const samples = steps.flatMap(({ memory }) => memory);
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      ...(spans.length > 0 ? processEvents(HOST, 'host') : []),
      ...trackEvents(HOST, 'host', nestedTracks(spans)),
      // Without timestamps there is memory alone.
      ...(kernels.length + samples.length > 0 ? processEvents(GPU, used ? `GPU (${used.name})` : 'GPU') : []),
      ...trackEvents(GPU, 'kernels', plainTracks(kernels)),
      ...memoryEvents(samples, started),
    ],
  };
}

function arrowsOf(steps: readonly StepRecord[]): Arrows {
  const arrows = new Map<HostSpan | DispatchTime, number>();
  for (const [index, { stage, spans, dispatches }] of steps.entries()) {
    // The step's own span ends last; a step inside it may have its name.
    const own = spans.findLast(({ name }) => name === stage);
    const first = dispatches.find(({ end }) => end !== 0n);
    if (own && first) arrows.set(own, index + 1).set(first, index + 1);
  }
  return arrows;
}

/** Dispatches whose times are known, on the clock of the host. */
function onHostClock(dispatches: readonly DispatchTime[], started: number, arrows: Arrows): Bar[] {
  const known = dispatches.filter(({ end }) => end !== 0n);
  if (known.length === 0) return [];
  const first = known[0]!.begin;
  const milliseconds = (time: bigint) => Number(time - first) / 1e6;
  const ahead = known.reduce(
    (most, { begin, submitted }) => Math.max(most, submitted - started - milliseconds(begin)),
    Number.NEGATIVE_INFINITY,
  );
  return known.map((dispatch) => ({
    name: dispatch.name,
    begin: ahead + milliseconds(dispatch.begin),
    end: ahead + milliseconds(dispatch.end),
    arrow: arrows.get(dispatch),
  }));
}

const byBegin = (bars: readonly Bar[]) => [...bars].sort((a, b) => a.begin - b.begin || b.end - a.end);

/** Bars on as few tracks as hold them so that two of a track overlap only where one lies within the other. */
function nestedTracks(bars: readonly Bar[]): Bar[][] {
  const tracks: { bars: Bar[]; open: Bar[] }[] = [];
  for (const bar of byBegin(bars)) {
    const fits = ({ open }: { open: Bar[] }) => {
      while (open.length > 0 && open.at(-1)!.end <= bar.begin) open.pop();
      return open.length === 0 || open.at(-1)!.end >= bar.end;
    };
    let track = tracks.find(fits);
    if (!track) {
      track = { bars: [], open: [] };
      tracks.push(track);
    }
    track.bars.push(bar);
    track.open.push(bar);
  }
  return tracks.map((track) => track.bars);
}

/** Bars on as few tracks as hold them without any overlap: kernels may run at the same time. */
function plainTracks(bars: readonly Bar[]): Bar[][] {
  const tracks: Bar[][] = [];
  for (const bar of byBegin(bars)) {
    const track = tracks.find((each) => each.at(-1)!.end <= bar.begin);
    if (track) track.push(bar);
    else tracks.push([bar]);
  }
  return tracks;
}

function processEvents(pid: number, name: string): TraceEvent[] {
  return [
    { ph: 'M', name: 'process_name', pid, args: { name } },
    // Of this, Perfetto 52 takes no notice: it shows the process with more bars above.
    { ph: 'M', name: 'process_sort_index', pid, args: { sort_index: pid } },
  ];
}

function trackEvents(pid: number, track: string, tracks: readonly (readonly Bar[])[]): TraceEvent[] {
  const cat = pid === GPU ? 'kernel' : 'host';
  return tracks.flatMap((bars, index): TraceEvent[] => {
    const tid = index + 1;
    return [
      { ph: 'M', name: 'thread_name', pid, tid, args: { name: index === 0 ? track : `${track} ${tid}` } },
      { ph: 'M', name: 'thread_sort_index', pid, tid, args: { sort_index: tid } },
      ...bars.flatMap(({ name, begin, end, arrow }): TraceEvent[] => {
        // Rounded alike, so that a bar within another stays so.
        const [ts, to] = [microseconds(begin), microseconds(end)];
        const bar: TraceEvent = { ph: 'X', name, cat, pid, tid, ts, dur: microseconds((to - ts) / 1e3) };
        if (arrow === undefined) return [bar];
        const part = pid === HOST ? ({ ph: 's' } as const) : ({ ph: 'f', bp: 'e' } as const);
        return [bar, { ...part, id: arrow, name: 'kernels of the step', cat: 'step', pid, tid, ts }];
      }),
    ];
  });
}

/** Milliseconds in microseconds, to the nanosecond. */
const microseconds = (milliseconds: number) => Math.round(1e6 * milliseconds) / 1e3;

/** Bytes by purpose, each at every moment: a viewer goes on with the last value of what an event leaves out. */
function memoryEvents(samples: readonly MemorySample[], started: number): TraceEvent[] {
  const valuesOf = ({ report: { persistent, step } }: MemorySample): Record<string, number> => {
    return { ...persistent, step: step.current, 'waiting for reuse': step.pooled };
  };
  const none = Object.fromEntries(samples.flatMap((sample) => Object.keys(valuesOf(sample)).map((key) => [key, 0])));
  return [...samples]
    .sort((a, b) => a.time - b.time)
    .map((sample): TraceEvent => {
      const args = { ...none, ...valuesOf(sample) };
      return { ph: 'C', name: 'device memory', pid: GPU, ts: microseconds(sample.time - started), args };
    });
}
