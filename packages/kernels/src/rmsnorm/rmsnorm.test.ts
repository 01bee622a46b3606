/** RMSNorm against the float64 reference, both variants, vectors and scalars, on ragged shapes. */
import * as reference from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { describeNorm } from '../../test/norms';
import { planNorm } from '../norm';
import { rmsNorm, rmsNormBackward } from './rmsnorm';

describe('planNorm', () => {
  it('gives a row to an invocation on software adapters and to a workgroup on hardware', () => {
    expect(planNorm({ columns: 64 }, { software: true })).toEqual({ variant: 'row', vector: true, workgroupSize: 8 });
    expect(planNorm({ columns: 4096 }, { software: false })).toEqual({
      variant: 'workgroup',
      vector: true,
      workgroupSize: 256,
    });
    expect(planNorm({ columns: 17 }, { software: false })).toEqual({
      variant: 'workgroup',
      vector: false,
      workgroupSize: 32,
    });
  });
});

describeNorm({
  name: 'rmsNorm',
  forward: rmsNorm,
  backward: rmsNormBackward,
  reference: ({ x, weight, epsilon }) => reference.rmsNorm(x, weight, epsilon),
  gradients: ({ x, weight, gradient, epsilon }) => reference.rmsNormBackward(x, weight, gradient, epsilon),
  offset: 0,
  tolerance: { out: 1e-6, input: 1e-5, weight: 1e-5 },
});
