/**
 * Constants of a dispatch are those that the kernel declares, of the type of their defaults: to the compiler and at run
 * time.
 */
import { afterAll, beforeAll, describe, expect, expectTypeOf, it, vi } from 'vitest';
import type { ConstantOverrides, Constants, Device, KernelDeclaration } from '../src';
import { defineKernel, InputError, resolveConstants } from '../src';
import { openDevice } from '../src/node';

/** out[0] = FACTOR, or its opposite with NEGATIVE. */
const constant = defineKernel({
  name: 'constant',
  source: `
@compute @workgroup_size(1)
fn main() {
#if NEGATIVE
  out[0] = -f32(FACTOR);
#else
  out[0] = f32(FACTOR);
#endif
}`,
  bindings: { out: { access: 'read_write', type: 'f32' } },
  parameters: {},
  constants: { FACTOR: 3, NEGATIVE: false },
});

const plain = defineKernel({
  name: 'plain',
  source: '@compute @workgroup_size(1) fn main() { out[0] = 7.0; }',
  bindings: { out: { access: 'read_write', type: 'f32' } },
  parameters: {},
});

type Overrides = ConstantOverrides<(typeof constant)['declaration']>;
type NoOverrides = ConstantOverrides<(typeof plain)['declaration']>;

describe('constants, to the compiler', () => {
  it('are those of the declaration, widened to the type of their default', () => {
    expectTypeOf<Overrides>().toEqualTypeOf<{ readonly FACTOR?: number; readonly NEGATIVE?: boolean }>();
    expectTypeOf<NoOverrides>().toEqualTypeOf<Readonly<Record<string, never>>>();
    expectTypeOf<ConstantOverrides<KernelDeclaration>>().toEqualTypeOf<Constants>();
  });

  it('refuse what the declaration does not have', () => {
    const good: Overrides[] = [{}, { FACTOR: 4 }, { NEGATIVE: true }, { FACTOR: 0.5, NEGATIVE: false }];
    // @ts-expect-error The name is misspelled.
    const misspelled: Overrides = { FACTER: 4 };
    // @ts-expect-error A number is no boolean.
    const wrongFlag: Overrides = { NEGATIVE: 1 };
    // @ts-expect-error A boolean is no number.
    const wrongNumber: Overrides = { FACTOR: true };
    // @ts-expect-error A value that is left out is not written as undefined.
    const nothing: Overrides = { FACTOR: undefined };
    // @ts-expect-error The kernel has no constants.
    const none: NoOverrides = { FACTOR: 4 };
    expect([misspelled, wrongFlag, wrongNumber, nothing].map((bad) => refusal(constant.declaration, bad))).toEqual([
      'kernel constant: there is no constant "FACTER"; it has FACTOR, NEGATIVE',
      'kernel constant: constant "NEGATIVE" is 1, a boolean is needed',
      'kernel constant: constant "FACTOR" is true, a finite number is needed',
      'kernel constant: constant "FACTOR" is undefined, a finite number is needed',
    ]);
    expect(refusal(plain.declaration, none)).toBe('kernel plain: there is no constant "FACTOR"; it has none');
    expect(good.map((overrides) => refusal(constant.declaration, overrides))).toEqual(good.map(() => null));
  });
});

/** The message with which constants are refused; null when they are taken. */
function refusal(declaration: KernelDeclaration, overrides: object): string | null {
  try {
    resolveConstants(declaration, { ...overrides });
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
}

describe('resolveConstants', () => {
  it('replaces defaults, in the order of the declaration', () => {
    const all = resolveConstants(constant.declaration, { NEGATIVE: true, FACTOR: 2 });
    expect(Object.entries(all)).toEqual([
      ['FACTOR', 2],
      ['NEGATIVE', true],
    ]);
    expect(resolveConstants(constant.declaration)).toEqual({ FACTOR: 3, NEGATIVE: false });
  });

  it('takes no name from the prototype of objects, and no number that WGSL cannot write', () => {
    expect(refusal(constant.declaration, { toString: 1 })).toMatch(/no constant "toString"/);
    expect(refusal(constant.declaration, { FACTOR: Number.NaN })).toMatch(/"FACTOR" is NaN/);
    expect(refusal(constant.declaration, { FACTOR: Number.POSITIVE_INFINITY })).toMatch(/"FACTOR" is Infinity/);
  });
});

it('defineKernel refuses a binding that depends on a constant that is not declared', () => {
  const declaration = {
    name: 'odd',
    source: '',
    bindings: { x: { access: 'read', type: 'f32', when: 'SCALD' } },
    parameters: {},
    constants: { SCALED: false },
  } as const;
  expect(() => defineKernel(declaration)).toThrow(
    'kernel odd: binding "x" depends on "SCALD", which is no constant of it',
  );
});

describe('constants of a dispatch', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  it('reach the kernel', async () => {
    using _ = device.step();
    const out = device.memory.allocate(4);
    const results: number[] = [];
    for (const constants of [{}, { FACTOR: 4 }, { NEGATIVE: true }, { FACTOR: 0.5, NEGATIVE: true }]) {
      device.recorder.dispatch(constant, { bindings: { out }, parameters: {}, constants, workgroups: 1 });
      results.push(new Float32Array(await device.recorder.read(out))[0]!);
    }
    expect(results).toEqual([3, 4, -3, -0.5]);
  });

  it('that are unknown or of another type do not compile, and are refused before anything is recorded', () => {
    using _ = device.step();
    const bindings = { out: device.memory.allocate(4) };
    const { recorder } = device;
    const before = recorder.dispatchCount;
    const rest = { bindings, parameters: {}, workgroups: 1 };
    // @ts-expect-error The name is misspelled.
    expect(() => recorder.dispatch(constant, { ...rest, constants: { FACTER: 4 } })).toThrow(/no constant "FACTER"/);
    // @ts-expect-error A number is no boolean.
    expect(() => recorder.dispatch(constant, { ...rest, constants: { NEGATIVE: 1 } })).toThrow(/a boolean is needed/);
    // @ts-expect-error The kernel has no constants.
    expect(() => recorder.dispatch(plain, { ...rest, constants: { FACTOR: 4 } })).toThrow(/it has none/);
    expect(recorder.dispatchCount).toBe(before);
  });

  it('are checked when a pipeline is made, not at every dispatch', () => {
    using _ = device.step();
    const bindings = { out: device.memory.allocate(4) };
    const hasOwn = vi.spyOn(Object, 'hasOwn');
    const dispatch = () =>
      device.recorder.dispatch(constant, { bindings, parameters: {}, constants: { FACTOR: 11 }, workgroups: 1 });
    dispatch();
    const first = hasOwn.mock.calls.length;
    for (let i = 0; i < 5; i++) dispatch();
    const later = hasOwn.mock.calls.length - first;
    hasOwn.mockRestore();
    expect(first).toBeGreaterThan(0);
    expect(later).toBe(0);
  });
});
