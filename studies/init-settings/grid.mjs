// The settings that are tried. docs/results/init-settings was made with these.

/** Every value of every setting: epochs at most, patience in epochs without a better one, after `warmupEpochs`. */
export function defaultGrid(/** @type {'rating' | 'implicit'} */ kind) {
  return /** @type {Record<string, number[]>} */ ({
    initStd: [0.1],
    learningRate: kind === 'rating' ? [1e-3, 3e-3, 1e-2, 3e-2] : [1e-3, 3e-3, 1e-2],
    weightDecay: [kind === 'rating' ? 1e-4 : 0],
    batchSize: [128, 512, 2048],
    epochs: [40],
    patience: [5],
    warmupEpochs: [5],
  });
}

/** What the trainings on ml-3000 had instead: the largest data, and minutes for each. */
export const forMl3000 = { learningRate: [1e-2], batchSize: [2048, 8192], epochs: [20], patience: [4] };
