/** `openDevice` of browsers: on a WebGPU of Dawn in the place of `navigator.gpu`, and where there is none. */
import { expect, it } from 'vitest';
import { NoAdapterError, openDevice } from '../src';
import { findCandidates, pickCandidate } from '../src/node/adapters';

/** A WebGPU that gives one adapter, and notes what it was asked for. */
function webGpu(adapter: GPUAdapter | null) {
  const asked: (GPURequestAdapterOptions | undefined)[] = [];
  const gpu = {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      asked.push(options);
      return adapter;
    },
  } as unknown as GPU;
  return { gpu, asked };
}

it('opens what the browser thinks fastest, or a program on the CPU where that is asked for', async () => {
  const { adapter, instance, summary } = pickCandidate(await findCandidates(true), undefined);
  const { gpu, asked } = webGpu(adapter);
  const other = summary.type === 'software' ? 'hardware' : 'software';
  await expect(openDevice({ gpu, adapter: other })).rejects.toThrow(`no ${other} adapter; leave the option`);
  const device = await openDevice({ gpu, adapter: summary.type, keepAlive: instance });
  expect(device.capabilities.name).toBe(summary.name);
  await device.destroy();
  expect(asked).toContainEqual({ powerPreference: 'high-performance' });
  expect(asked).toContainEqual({ forceFallbackAdapter: true });
});

it('says what is missing, and what to do', async () => {
  await expect(openDevice()).rejects.toThrow('this is no browser; in Node, import openDevice from @crossgate/gpu/node');
  const none = await openDevice({ gpu: webGpu(null).gpu }).catch((error: unknown) => error);
  expect(none).toBeInstanceOf(NoAdapterError);
  expect((none as NoAdapterError).message).toMatch(/has WebGPU, but no GPU adapter for it; see chrome:\/\/gpu/);
});
