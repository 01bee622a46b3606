// Captured steps by shape: which are replayed, and which are recorded from then on.
import { type Device, Program } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { Adam, fromHost, ParameterGroup, persistent, releasePersistent, StepPrograms, scale } from '../src';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => device.destroy());

it('captures a shape again where memory was short, and not where its step uses the host', async () => {
  const programs = new StepPrograms(device);
  const capture = vi.spyOn(device, 'capture');
  const replay = vi.spyOn(Program.prototype, 'replay');
  const run = async (values: number[], host: boolean) => {
    const shape = [values.length];
    const out = programs.run(
      `${shape} ${host}`,
      (upload) => upload(shape, Float32Array.from(values)),
      (x) => {
        using _ = device.step();
        if (host) fromHost(device, [1], Float32Array.of(0));
        return scale(x, 2);
      },
      (program) => program.replay(),
    );
    return { out: [...(await out.read())], captured: capture.mock.calls.length, replayed: replay.mock.calls.length };
  };
  expect(await run([1, 2], false)).toEqual({ out: [2, 4], captured: 1, replayed: 0 });
  expect(await run([3, 4], false)).toEqual({ out: [6, 8], captured: 1, replayed: 1 });
  device.recorder.endPrograms();
  expect(await run([5, 6], false)).toEqual({ out: [10, 12], captured: 2, replayed: 1 });
  expect(await run([7, 8], false)).toEqual({ out: [14, 16], captured: 2, replayed: 2 });
  for (const x of [1, 2, 3]) expect(await run([x], true)).toEqual({ out: [2 * x], captured: 3, replayed: 2 });
  programs.clear();
});

it('an update counts, and tells its groups, only where its replay is recorded', async () => {
  const group = new ParameterGroup(device, 'test', [{ name: 'w', shape: [1], values: Float32Array.of(1) }]);
  const gradient = persistent(device, [1], 'inputs', Float32Array.of(1));
  const optimizer = new Adam([group], { kind: 'adam', learningRate: 0.1 });
  const program = device.capture(() => {
    using _ = device.step();
    device.recorder.copy(gradient.slice, group.get('w').gradient);
    optimizer.step();
  });
  optimizer.replayStep(program);
  const [value] = await group.get('w').read();
  expect([optimizer.steps, group.version]).toEqual([2, 2]);
  expect(value).toBeCloseTo(0.8, 5);
  expect(() => optimizer.replayStep(program, Number.NaN)).toThrow(/"stepSize" is NaN/);
  program[Symbol.dispose]();
  expect(() => optimizer.replayStep(program)).toThrow(/it was disposed of/);
  expect([optimizer.steps, group.version]).toEqual([2, 2]);
  expect([...(await group.get('w').read())]).toEqual([value]);
  optimizer.release();
  group.release();
  releasePersistent(gradient);
});
