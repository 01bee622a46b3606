/** The command probe, small: everything that it measures is there, and memory ends where it is told to. */
import { openDevice } from '@crossgate/gpu/node';
import { expect, it } from 'vitest';
import { formatProbeReport, type ProbeReport } from '../src/commands/probe';
import { probeMemory } from '../src/probe/queue';
import { run } from './program';

it('measures kernels with and without bounds checks, submissions and memory', async () => {
  const { code, stdout, stderr } = await run('probe', '--smoke', '--memory', '4MiB', '--json');
  expect(stderr).toMatch(/with bounds checks[\s\S]*without bounds checks[\s\S]*filling its memory/);
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as ProbeReport;
  expect(report.capabilities.limits.maxBufferSize).toBeGreaterThan(2 ** 20);
  expect(report.memory).toEqual({ bytes: 2 ** 22, end: 'limit' });
  const { queue, ceilings, results } = report;
  expect(queue.submitMs.map(({ inFlight }) => inFlight)).toEqual([1, 4, 16]);
  for (const ms of [
    queue.roundTripMs,
    queue.dispatchMicroseconds,
    ceilings.checked.fma.gflops,
    ceilings.unchecked.copy.gbps,
  ]) {
    expect(ms).toBeGreaterThan(0);
  }
  const rows = results.filter(({ robustness }) => robustness);
  expect(rows.map(({ name, shape }) => `${name} ${shape}`)).toEqual(
    expect.arrayContaining([
      'matmul 64x64x64 A·Bᵀ',
      'attentionBackward 64 tokens in 2, 2/1 heads of 64',
      'attentionBackward 64 tokens in 2, 1/1 heads of 128',
    ]),
  );
  for (const { ms, firstMs, gflops } of results) {
    for (const value of [ms, firstMs, gflops]) expect(value).toBeGreaterThan(0);
  }
  expect(results.filter(({ robustness }) => !robustness)).toMatchObject([{ name: 'matmul' }]);
  const text = formatProbeReport(report);
  expect(text).toMatch(/attentionBackward +64 tokens in 2, 1\/1 heads of 128 +only( +[\d.]+){3} +[\d.]+% +-/);
  expect(text).toContain('memory: 4.0 MiB at once, where the measurement ended');
}, 600_000); // Seconds on an idle machine, most of them compiling.

it('refuses a size that is none', async () => {
  expect(await run('probe', '--memory', 'all')).toMatchObject({ code: 2, stderr: expect.stringContaining('--memory') });
});

it('says with which words memory was refused, and gives all of it back', async () => {
  await using device = await openDevice({ memoryBudget: 3 * 2 ** 20 });
  expect(await probeMemory(device, 2 ** 22)).toEqual({
    bytes: 0,
    end: { message: expect.stringContaining('do not fit') },
  });
  expect(await probeMemory(device, 2 ** 21)).toEqual({ bytes: 2 ** 21, end: 'limit' });
  expect(device.report().total).toBe(0);
});
