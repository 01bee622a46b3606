// A profile in Chrome's Trace Event format, which Perfetto and chrome://tracing open.
import type { DispatchTime, HostSpan, MemorySample, Profiler } from './profiler';

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
      /** A name of a process or of a track. */
      readonly ph: 'M';
      /** `process_name` or `thread_name`. */
      readonly name: string;
      /** As above. */
      readonly pid: number;
      /** As above. */
      readonly tid?: number;
      /** The name. */
      readonly args: { readonly name: string };
    };

/** The document of a trace. */
export interface ChromeTrace {
  /** The events; those with a duration are in the order of their begin, track by track. */
  readonly traceEvents: readonly TraceEvent[];
  /** The unit that viewers show. */
  readonly displayTimeUnit: 'ms';
}

/** A bar of a track. Milliseconds since the profiler was made. */
interface Bar {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

const HOST = 1;
const GPU = 2;

/**
 * The trace of all that a profiler keeps.
 *
 * The GPU's clock begins anywhere. Its times are moved, stage by stage, so that no kernel begins before the host had
 * submitted it, and one begins just then.
 */
export function chromeTrace(profiler: Profiler): ChromeTrace {
  const { started } = profiler;
  const steps = profiler.kept();
  const kernels = ['', ...profiler.stages.keys()].flatMap((stage) =>
    onHostClock(
      steps.flatMap((step) => (step.stage === stage ? step.dispatches : [])),
      started,
    ),
  );
  const spans = [...profiler.outside, ...steps.flatMap((step) => step.spans)].map((span) => since(span, started));
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      ...processEvents(HOST, 'host', 'host', nestedTracks(spans)),
      ...processEvents(GPU, 'GPU', 'kernels', plainTracks(kernels)),
      ...steps.flatMap(({ memory }) => memory).map((sample) => memoryEvent(sample, started)),
    ],
  };
}

const since = ({ name, begin, end }: HostSpan, started: number): Bar => ({
  name,
  begin: begin - started,
  end: end - started,
});

/** Dispatches whose times are known, on the clock of the host. */
function onHostClock(dispatches: readonly DispatchTime[], started: number): Bar[] {
  const known = dispatches.filter(({ end }) => end !== 0n);
  if (known.length === 0) return [];
  const first = known[0]!.begin;
  const milliseconds = (time: bigint) => Number(time - first) / 1e6;
  const ahead = known.reduce(
    (most, { begin, submitted }) => Math.max(most, submitted - started - milliseconds(begin)),
    Number.NEGATIVE_INFINITY,
  );
  return known.map(({ name, begin, end }) => ({
    name,
    begin: ahead + milliseconds(begin),
    end: ahead + milliseconds(end),
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

function processEvents(pid: number, process: string, track: string, tracks: readonly (readonly Bar[])[]): TraceEvent[] {
  if (tracks.length === 0) return [];
  const cat = pid === GPU ? 'kernel' : 'host';
  const named = (index: number) => (index === 0 ? track : `${track} ${index + 1}`);
  return [
    { ph: 'M', name: 'process_name', pid, args: { name: process } },
    ...tracks.flatMap((bars, index): TraceEvent[] => [
      { ph: 'M', name: 'thread_name', pid, tid: index + 1, args: { name: named(index) } },
      ...bars.map(({ name, begin, end }): TraceEvent => {
        // Rounded alike, so that a bar within another stays so.
        const [from, to] = [microseconds(begin), microseconds(end)];
        return { ph: 'X', name, cat, pid, tid: index + 1, ts: from, dur: microseconds((to - from) / 1e3) };
      }),
    ]),
  ];
}

/** Milliseconds in microseconds, to the nanosecond. */
const microseconds = (milliseconds: number) => Math.round(1e6 * milliseconds) / 1e3;

function memoryEvent({ time, report }: MemorySample, started: number): TraceEvent {
  const { persistent, step } = report;
  const args = { ...persistent, step: step.current, 'waiting for reuse': step.pooled };
  return { ph: 'C', name: 'device memory', pid: GPU, ts: microseconds(time - started), args };
}
