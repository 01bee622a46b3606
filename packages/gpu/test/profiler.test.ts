/** The profiler: windows of steps, spans that nest and add up, the trace, and nothing where it is off. */
import { setTimeout as pause } from 'node:timers/promises';
import { traceProblems } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chromeTrace,
  type Device,
  defineKernel,
  Profiler,
  profileFiles,
  summarizeProfile,
  type TraceEvent,
} from '../src';
import { openDevice } from '../src/node';

const fill = defineKernel({
  name: 'fill',
  source: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < parameters.count) { x[id.x] = parameters.value; }
  }`,
  bindings: { x: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32', value: 'f32' },
});

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

function fillOnce(bytes = 4096): void {
  const x = device.memory.allocate(bytes);
  const parameters = { count: bytes / 4, value: 1 };
  device.recorder.dispatch(fill, { bindings: { x }, parameters, workgroups: Math.ceil(bytes / 256) });
}

/** Steps of a stage with `each` dispatches. */
async function steps(profiler: Profiler, stage: string, count: number, each = 3): Promise<void> {
  for (let i = 0; i < count; i++) {
    using _ = profiler.step(stage);
    {
      using __ = profiler.span('record');
      using ___ = device.step();
      for (let j = 0; j < each; j++) fillOnce();
    }
    using __ = profiler.span('wait');
    await device.recorder.synchronize();
  }
}

type Bar = Extract<TraceEvent, { ph: 'X' }>;
const barsOf = (profiler: Profiler, pid: number) =>
  chromeTrace(profiler).traceEvents.filter((event): event is Bar => event.ph === 'X' && event.pid === pid);

async function profiled(work: (profiler: Profiler) => Promise<void>, options = {}): Promise<Profiler> {
  const profiler = new Profiler({ steps: 4, warmUp: 2, ...options });
  profiler.attach(device);
  try {
    await work(profiler);
    await device.recorder.synchronize();
  } finally {
    profiler.detach();
  }
  return profiler;
}

describe('a profile', () => {
  it('keeps a window of steps of each stage, behind the warm-up where there are more', async () => {
    const profiler = await profiled(async (p) => {
      await steps(p, 'short', 3);
      await steps(p, 'between', 5);
      await steps(p, 'long', 8);
    });
    const counts = summarizeProfile(profiler).stages.map(({ stage, steps: kept, of }) => [stage, kept, of]);
    expect(counts).toEqual([
      ['short', 3, 3],
      ['between', 4, 5],
      ['long', 4, 8],
    ]);
    if (!device.capabilities.timestamps) return;
    expect(profiler.rows('long')).toMatchObject([{ name: 'fill', count: 12 }]);
    expect(profiler.rows()).toMatchObject([{ name: 'fill', count: 3 * (3 + 4 + 4) }]);
    for (const { kernels } of summarizeProfile(profiler).stages) {
      expect(kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      expect(kernels[0]!.ms).toBeGreaterThan(0);
    }
  });

  it('keeps no dispatch outside steps, and none of other kinds of work, where there is a window', async () => {
    const profiler = await profiled(async (p) => {
      using _ = device.step();
      for (let i = 0; i < 10; i++) fillOnce();
      await device.recorder.synchronize();
      expect(p.rows()).toEqual([]);
    });
    expect(barsOf(profiler, 2)).toEqual([]);
  });

  it('does not mix what is measured with what is recorded before and after it', async () => {
    if (!device.capabilities.timestamps) return;
    const profiler = await profiled(async (p) => {
      using _ = device.step();
      fillOnce(1 << 22);
      {
        using __ = p.step('one');
        fillOnce(256);
      }
      fillOnce(1 << 22);
    });
    const all = await profiled(async (p) => {
      using _ = device.step();
      using __ = p.step('one');
      fillOnce(1 << 22);
    });
    expect(profiler.rows()[0]!.count).toBe(1);
    expect(profiler.rows()[0]!.nanoseconds).toBeLessThan(all.rows()[0]!.nanoseconds);
  });

  it('has spans that nest and times that go forward', async () => {
    const profiler = await profiled(async (p) => {
      using _ = p.span('all');
      await steps(p, 'training', 8);
    });
    const host = barsOf(profiler, 1);
    expect(new Set(host.map(({ name }) => name))).toEqual(new Set(['all', 'training', 'record', 'wait']));
    expect(new Set(host.map(({ tid }) => tid))).toEqual(new Set([1]));
    const open: Bar[] = [];
    let last = 0;
    for (const bar of host) {
      expect(bar.ts).toBeGreaterThanOrEqual(last);
      last = bar.ts;
      while (open.length > 0 && open.at(-1)!.ts + open.at(-1)!.dur <= bar.ts) open.pop();
      const outer = open.at(-1);
      if (outer) expect(bar.ts + bar.dur).toBeLessThanOrEqual(outer.ts + outer.dur + 0.002);
      open.push(bar);
    }
    const kernels = barsOf(profiler, 2);
    for (const [i, bar] of kernels.entries()) {
      expect(bar.dur).toBeGreaterThanOrEqual(0);
      if (i > 0 && bar.tid === kernels[i - 1]!.tid) {
        const before = kernels[i - 1]!;
        expect(bar.ts).toBeGreaterThanOrEqual(before.ts + before.dur - 0.002);
      }
    }
    if (kernels.length > 0) {
      // No kernel runs before the first step that is kept.
      const first = Math.min(...host.filter(({ name }) => name === 'training').map(({ ts }) => ts));
      expect(kernels[0]!.ts).toBeGreaterThanOrEqual(first);
    }
  });

  it('puts spans that overlap on tracks of their own', async () => {
    const profiler = await profiled(async (p) => {
      const first = p.span('first');
      await pause(2);
      const second = p.span('second');
      await pause(2);
      first[Symbol.dispose]();
      await pause(2);
      second[Symbol.dispose]();
    });
    expect(barsOf(profiler, 1).map(({ name, tid }) => [name, tid])).toEqual([
      ['first', 1],
      ['second', 2],
    ]);
  });

  it('sums spans up to the whole time', async () => {
    const profiler = await profiled(async (p) => {
      using _ = p.span('all');
      await pause(5);
      await steps(p, 'training', 7);
    });
    const { spans, otherMs, ms } = summarizeProfile(profiler);
    expect(spans.find(({ name }) => name === 'training')!.calls).toBe(7);
    expect(spans.find(({ name }) => name === 'all')!.own).toBeGreaterThan(3);
    expect(spans.reduce((sum, { own }) => sum + own, otherMs)).toBeCloseTo(ms, 6);
    expect(otherMs).toBeLessThan(ms);
  });

  it('counts memory by purpose, and knows the peak', async () => {
    device.memory.trim();
    device.memory.resetPeak();
    const weights = device.memory.persistent(1 << 16, 'weights');
    const profiler = await profiled(async (p) => {
      await steps(p, 'training', 2);
      device.memory.free(weights);
      await steps(p, 'scoring', 1);
    });
    const trace = chromeTrace(profiler);
    expect(traceProblems(trace)).toEqual([]);
    const counters = trace.traceEvents.filter((event) => event.ph === 'C');
    expect(counters.length).toBeGreaterThanOrEqual(3);
    expect([...new Set(counters.map(({ args }) => args.weights))]).toEqual([1 << 16, 0]);
    for (const { args } of counters) expect(args.step).toBeTypeOf('number');
    const { memory } = summarizeProfile(profiler);
    expect(memory!.peak.purposes.weights).toBe(1 << 16);
    expect(Object.values(memory!.peak.purposes).reduce((sum, bytes) => sum + bytes, 0)).toBe(memory!.peak.total);
    expect(device.report().peak).toEqual(memory!.peak);
    expect(device.report().total).toBeLessThan(memory!.peak.total);
  });

  it('is bounded', async () => {
    const profiler = await profiled((p) => steps(p, 'training', 2, 150), { mostDispatches: 200 });
    for (let i = 0; i < 11_000; i++) profiler.span('small')[Symbol.dispose]();
    expect(profiler.outside).toHaveLength(10_000);
    expect(profiler.totals.get('small')!.calls).toBe(11_000);
    if (device.capabilities.timestamps) expect(barsOf(profiler, 2).length).toBeLessThanOrEqual(200);
    expect(summarizeProfile(profiler).notes.join()).toContain('more events than are kept');
  });

  it('is written as a trace, a table and figures', async () => {
    const profiler = await profiled((p) => steps(p, 'training', 3));
    const files = new Map(profileFiles(profiler, 123 << 20));
    const trace = JSON.parse(files.get('profile.json')!) as { traceEvents: TraceEvent[] };
    expect(trace).toEqual(chromeTrace(profiler));
    expect(traceProblems(trace)).toEqual([]);
    const arrows = trace.traceEvents.filter(({ ph }) => ph === 's' || ph === 'f');
    expect(arrows).toHaveLength(device.capabilities.timestamps ? 2 * 3 : 0);
    expect(JSON.parse(files.get('summary.json')!)).toMatchObject({ processPeak: 123 << 20, stages: [{ of: 3 }] });
    const text = files.get('profile.txt')!;
    for (const part of ['training: 3 of 3 steps', 'in no span', 'memory on the device', '123.0 MiB'])
      expect(text).toContain(part);
    if (device.capabilities.timestamps) expect(text).toMatch(/fill +9 /);
  });
});

it('gives host times alone without timestamps, and says so', async () => {
  await using plain = await openDevice({ without: ['timestamp-query'] });
  const profiler = new Profiler({ steps: 2 });
  profiler.attach(plain);
  {
    using _ = profiler.step('training');
    using __ = plain.step();
    const x = plain.memory.allocate(256);
    plain.recorder.dispatch(fill, { bindings: { x }, parameters: { count: 64, value: 1 }, workgroups: 1 });
  }
  await plain.recorder.synchronize();
  const { stages, notes, spans } = summarizeProfile(profiler);
  expect(traceProblems(chromeTrace(profiler))).toEqual([]);
  profiler.detach();
  expect(stages).toMatchObject([{ stage: 'training', steps: 1, kernelMs: null, kernels: [] }]);
  expect(spans.map(({ name }) => name)).toContain('training');
  expect(notes).toEqual([`${plain.capabilities.name} has no timestamp queries: host times only, no time by kernel`]);
});

it('measures nothing once it is detached', async () => {
  const profiler = await profiled(async () => {});
  {
    using _ = device.step();
    fillOnce();
  }
  await device.recorder.synchronize();
  expect(device.recorder.profiler).toBeNull();
  expect(profiler.rows()).toEqual([]);
  expect(profiler.totals.size).toBe(0);
});
