/** f32 values rounded to IEEE halves on the device. `dequantize` of type F16 widens them again. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { elementConstants, planValues, spreadValues } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './narrow.wgsl';

const narrowKernel = defineKernel({
  name: 'narrow',
  source,
  includes,
  bindings: {
    x: { access: 'read', type: 'Value' },
    scale: { access: 'read', type: 'f32', when: 'SCALED' },
    out: { access: 'read_write', type: 'Words' },
  },
  parameters: { values: 'u32', count: 'u32' },
  constants: { ...elementConstants, SCALED: false },
});

/** Arguments of {@link narrow}. */
export interface NarrowArguments {
  /** f32 [count] */
  readonly x: BufferSlice;
  /** Halves [count], two to a word; an odd last one leaves a zero beside it. */
  readonly out: BufferSlice;
  /** Values; 0 does nothing. */
  readonly count: number;
  /** f32 [1], factor of all values before they are rounded. */
  readonly scale?: BufferSlice | undefined;
}

/**
 * out = halves nearest to x, ties to even; infinite beyond 65,504. The same bits on every adapter.
 *
 * @throws InputError when a slice is smaller than `count`.
 */
export function narrow(device: Device, { x, out, count, scale }: NarrowArguments): void {
  if (count === 0) return;
  requireSizes('narrow', { count });
  const words = Math.ceil(count / 2);
  requireElements('narrow', 'x', x, count);
  requireElements('narrow', 'out', out, words);
  if (scale) requireElements('narrow', 'scale', scale, 1);
  for (const range of rowRanges('narrow', device, words, [2, 1])) {
    const first = 2 * range.first;
    const part = Math.min(2 * range.count, count - first);
    const vector = part % 4 === 0;
    const values = vector ? part / 4 : range.count;
    const { constants, workgroups } = spreadValues(planValues({ values }, device.capabilities), vector);
    device.recorder.dispatch(narrowKernel, {
      bindings: {
        x: elements(x, first, part),
        scale: scale && elements(scale, 0, 1),
        out: elements(out, range.first, range.count),
      },
      parameters: { values, count: part },
      constants: { ...constants, SCALED: scale !== undefined },
      workgroups,
    });
  }
}
