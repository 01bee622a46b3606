/** Early stopping as pure arithmetic. */
import { describe, expect, it } from 'vitest';
import { isBest, stopReason } from '../src';

const options = { epochs: 100, patience: 5, warmupEpochs: 20 };
const progress = (epoch: number, bestEpoch: number) => ({ epoch, steps: epoch, bestEpoch, bestAuc: 0.5 });

describe('early stopping', () => {
  it('does not count patience in the warm-up', () => {
    expect(stopReason(progress(20, 1), options)).toBeNull();
    expect(stopReason(progress(24, 1), options)).toBeNull();
    expect(stopReason(progress(25, 1), options)).toBe('patience');
  });

  it('counts patience from the best epoch after the warm-up', () => {
    expect(stopReason(progress(44, 40), options)).toBeNull();
    expect(stopReason(progress(45, 40), options)).toBe('patience');
  });

  it('ends at the last epoch whatever the patience', () => {
    expect(stopReason(progress(99, 98), options)).toBeNull();
    expect(stopReason(progress(100, 100), options)).toBe('epochs');
  });

  it('takes a strictly better AUC only, and any epoch when AUC is not defined', () => {
    expect(isBest(progress(3, 2), 0.5)).toBe(false);
    expect(isBest(progress(3, 2), 0.500001)).toBe(true);
    expect(isBest({ ...progress(0, 0), bestAuc: null }, 0.1)).toBe(true);
    expect(isBest(progress(3, 2), null)).toBe(true);
  });
});
