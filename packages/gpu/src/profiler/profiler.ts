// Collects what a program does with its time and with the device's memory: kernels, spans of the host, bytes.
import type { MemoryReport } from '../memory';

/** How much a {@link Profiler} keeps; every field may be left out. */
export interface ProfilerOptions {
  /**
   * Steps of each stage whose kernels and spans are kept, from 1. Default: everything on the device is measured, in a
   * step or not.
   */
  readonly steps?: number;
  /** Steps before these, in which kernels are compiled and memory is found. Default 5. */
  readonly warmUp?: number;
  /** Dispatches that are kept at most; what comes later is not measured. Default with `steps`: 200,000. */
  readonly mostDispatches?: number;
}

/** One dispatch. Its times come after it has run. */
export interface DispatchTime {
  /** Name of the kernel. */
  readonly name: string;
  /** When it began, in nanoseconds of the GPU's clock. */
  begin: bigint;
  /** When it ended; 0 until its time is known. */
  end: bigint;
  /** When the host submitted it, in milliseconds of `performance.now()`. */
  submitted: number;
}

/** A piece of work of the host. Times are in milliseconds of `performance.now()`. */
export interface HostSpan {
  /** What was done, such as `batch` or `checkpoint`. */
  readonly name: string;
  /** When it began. */
  readonly begin: number;
  /** When it ended. */
  readonly end: number;
}

/** The device's memory at one moment. */
export interface MemorySample {
  /** Milliseconds of `performance.now()`. */
  readonly time: number;
  /** Bytes by purpose. */
  readonly report: MemoryReport;
}

/** What is kept of one step. */
export interface StepRecord {
  /** The stage that it belongs to, such as `stage1` or `scoring`. */
  readonly stage: string;
  /** Its dispatches in the order of recording. */
  readonly dispatches: DispatchTime[];
  /** The host's work in it, the step itself included. */
  readonly spans: HostSpan[];
  /** The device's memory in it. */
  readonly memory: MemorySample[];
  /** Milliseconds that it took on the host's clock, once it has ended. */
  milliseconds: number;
}

/** The steps of a stage. */
export interface StageRecord {
  /** Steps so far. */
  seen: number;
  /** The steps that are kept, in their order. */
  readonly kept: StepRecord[];
}

/** All spans of one name. */
export interface SpanTotal {
  /** How many there were. */
  calls: number;
  /** Milliseconds in them, with the spans inside. */
  milliseconds: number;
  /** Milliseconds in them, without the spans inside. */
  own: number;
  /** Milliseconds of the longest. */
  longest: number;
}

/** What a profiler needs of a device; a `Device` is one. */
export interface MeasurableDevice {
  /** Asks the profiler about every dispatch. */
  readonly recorder: { profiler: Profiler | null };
  /** Its name, and whether it has timestamp queries. */
  readonly capabilities: ProfiledAdapter;
  /** Bytes on it. */
  report(): MemoryReport;
}

/** What a summary says of the adapter. */
export interface ProfiledAdapter {
  /** Its name. */
  readonly name: string;
  /** Whether it has timestamp queries, without which there is no time by kernel. */
  readonly timestamps: boolean;
}

/** Time of all dispatches of one kernel. */
export interface KernelRow {
  /** Name of the kernel. */
  readonly name: string;
  /** Dispatches. */
  readonly count: number;
  /** Nanoseconds in all dispatches of this name. */
  readonly nanoseconds: number;
}

/** Spans outside steps that are kept at most: those of the first minutes of a long training, and their sums forever. */
const mostSpans = 10_000;
/** Milliseconds between two samples of memory, at least. */
const samplePause = 1;

interface OpenSpan {
  readonly name: string;
  readonly begin: number;
  /** Milliseconds of the spans inside. */
  inner: number;
}

/**
 * Measures dispatches by the GPU's timestamps, and the host by spans. `profiler.attach(device)` starts it, `detach` ends
 * it; the device then measures no more.
 *
 * With `steps`, a training of any length keeps a bounded number of events: the first `steps + warmUp` steps of each
 * stage are measured, and the last `steps` of them are kept. Sums of spans go on. A measured dispatch has a pass of its
 * own, so that a measured step is slower than others.
 */
export class Profiler {
  /** When the profiler was made, in milliseconds of `performance.now()`. */
  readonly started = performance.now();
  /** Steps of each stage that are kept; infinite where everything is measured. */
  readonly steps: number;
  readonly #warmUp: number;
  readonly #most: number;
  readonly #stages = new Map<string, StageRecord>();
  readonly #totals = new Map<string, SpanTotal>();
  readonly #open: OpenSpan[] = [];
  /** Spans outside steps. */
  #outside: HostSpan[] = [];
  /** What was measured outside steps: only where everything is. */
  #rest: StepRecord;
  #step: StepRecord | null = null;
  /** Whether a step is open, kept or not. */
  #inStep = false;
  #dispatches = 0;
  #spansDropped = 0;
  #device: MeasurableDevice | null = null;
  #used: ProfiledAdapter | null = null;
  #memory: MemoryReport | null = null;
  #sampled = 0;

  /** Where dispatches go now; null while none is measured. */
  #target: StepRecord | null;

  constructor({ steps, warmUp = 5, mostDispatches }: ProfilerOptions = {}) {
    this.steps = steps ?? Number.POSITIVE_INFINITY;
    this.#warmUp = steps === undefined ? 0 : warmUp;
    this.#most = mostDispatches ?? (steps === undefined ? Number.POSITIVE_INFINITY : 200_000);
    this.#rest = newStep('');
    this.#target = steps === undefined ? this.#rest : null;
  }

  /** Begins to measure a device. One device at a time. */
  attach(device: MeasurableDevice): void {
    this.detach();
    this.#device = device;
    const { name, timestamps } = device.capabilities;
    this.#used = { name, timestamps };
    device.recorder.profiler = this;
  }

  /** Ends the measurement of the device. What was collected stays. */
  detach(): void {
    if (!this.#device) return;
    this.#memory = this.#device.report();
    this.#device.recorder.profiler = null;
    this.#device = null;
  }

  /**
   * Begins a step of a stage, which ends with the returned object (`using _ = profiler.step('training')`). Inside another
   * step it is a span of that one.
   */
  step(stage: string): Disposable {
    if (this.#inStep) return this.span(stage);
    this.#inStep = true;
    const known = this.#stage(stage);
    const number = known.seen++;
    const step = number < this.steps + this.#warmUp && this.#dispatches < this.#most ? newStep(stage) : null;
    if (step) {
      known.kept.push(step);
      if (known.kept.length > this.steps) this.#dispatches -= known.kept.shift()!.dispatches.length;
      this.#step = this.#target = step;
    }
    const span = this.span(stage);
    const begin = performance.now();
    return {
      [Symbol.dispose]: () => {
        span[Symbol.dispose]();
        this.#inStep = false;
        if (!step) return;
        step.milliseconds = performance.now() - begin;
        this.#sample(step);
        this.#step = null;
        this.#target = this.steps === Number.POSITIVE_INFINITY ? this.#rest : null;
      },
    };
  }

  /** Begins a piece of work of the host, which ends with the returned object. Spans that do not overlap may nest. */
  span(name: string): Disposable {
    const span: OpenSpan = { name, begin: performance.now(), inner: 0 };
    const parent = this.#open.at(-1);
    const [step, inStep] = [this.#step, this.#inStep];
    this.#open.push(span);
    return {
      [Symbol.dispose]: () => {
        const end = performance.now();
        const index = this.#open.lastIndexOf(span);
        if (index < 0) return;
        this.#open.splice(index, 1);
        const milliseconds = end - span.begin;
        if (parent) parent.inner += milliseconds;
        this.#add(name, milliseconds, Math.max(0, milliseconds - span.inner));
        const kept = { name, begin: span.begin, end };
        if (step) step.spans.push(kept);
        else if (inStep) return;
        else if (this.#outside.length < mostSpans) this.#outside.push(kept);
        else this.#spansDropped++;
      },
    };
  }

  /**
   * Notes a dispatch, and how much memory there is.
   * @param hasTimestamps whether its time can be measured
   * @returns where the recorder writes its times; null where it is not measured
   * @internal
   */
  dispatch(name: string, hasTimestamps: boolean): DispatchTime | null {
    const target = this.#target;
    if (target === null) return null;
    // What is measured without steps may have any number of moments.
    if (target !== this.#rest) this.#sample(target, samplePause);
    if (!hasTimestamps || this.#dispatches >= this.#most) return null;
    const dispatch = { name, begin: 0n, end: 0n, submitted: 0 };
    target.dispatches.push(dispatch);
    this.#dispatches++;
    return dispatch;
  }

  /** Totals per kernel, the longest first: of one stage, outside steps (`''`), or of everything that was measured. */
  rows(stage?: string): KernelRow[] {
    const totals = new Map<string, { count: number; nanoseconds: number }>();
    for (const step of this.kept(stage)) {
      for (const { name, begin, end } of step.dispatches) {
        if (end === 0n) continue;
        const row = totals.get(name) ?? { count: 0, nanoseconds: 0 };
        row.count++;
        row.nanoseconds += Number(end - begin);
        totals.set(name, row);
      }
    }
    return [...totals].map(([name, row]) => ({ name, ...row })).sort((a, b) => b.nanoseconds - a.nanoseconds);
  }

  /** What was measured: of one stage, outside steps (`''`), or all. */
  kept(stage?: string): readonly StepRecord[] {
    if (stage === '') return [this.#rest];
    if (stage !== undefined) return this.#stages.get(stage)?.kept ?? [];
    return [this.#rest, ...[...this.#stages.values()].flatMap(({ kept }) => kept)];
  }

  /** The stages in the order of their first steps. */
  get stages(): ReadonlyMap<string, StageRecord> {
    return this.#stages;
  }

  /** Sums of spans by name, over the whole time. */
  get totals(): ReadonlyMap<string, SpanTotal> {
    return this.#totals;
  }

  /** Spans outside steps, the first 10,000. */
  get outside(): readonly HostSpan[] {
    return this.#outside;
  }

  /** Whether events were left out because there were too many. */
  get isFull(): boolean {
    return this.#dispatches >= this.#most || this.#spansDropped > 0;
  }

  /** The adapter that was measured last; null before any was. */
  get used(): ProfiledAdapter | null {
    return this.#used;
  }

  /** Bytes on the device: now, or when it was detached. Null before any was attached. */
  get memory(): MemoryReport | null {
    return this.#device?.report() ?? this.#memory;
  }

  /** Forgets all that was measured. */
  clear(): void {
    this.#stages.clear();
    this.#totals.clear();
    this.#outside = [];
    this.#rest = newStep('');
    this.#dispatches = this.#spansDropped = 0;
    if (!this.#step) this.#target = this.steps === Number.POSITIVE_INFINITY ? this.#rest : null;
  }

  #stage(name: string): StageRecord {
    const known = this.#stages.get(name);
    if (known) return known;
    const stage: StageRecord = { seen: 0, kept: [] };
    this.#stages.set(name, stage);
    return stage;
  }

  #add(name: string, milliseconds: number, own: number): void {
    const total = this.#totals.get(name) ?? { calls: 0, milliseconds: 0, own: 0, longest: 0 };
    total.calls++;
    total.milliseconds += milliseconds;
    total.own += own;
    total.longest = Math.max(total.longest, milliseconds);
    this.#totals.set(name, total);
  }

  #sample(step: StepRecord, pause = 0): void {
    const time = performance.now();
    if (!this.#device || time - this.#sampled < pause) return;
    this.#sampled = time;
    step.memory.push({ time, report: this.#device.report() });
  }
}

function newStep(stage: string): StepRecord {
  return { stage, dispatches: [], spans: [], memory: [], milliseconds: 0 };
}
