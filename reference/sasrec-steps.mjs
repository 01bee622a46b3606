// Takes the training steps of sasrec.py with Crossgate: the same initial values, the same batches from its file.

/**
 * What sasrec.py writes.
 *
 * @typedef {{
 *   jax: string, items: number, cfDim: number, historyLength: number, blocks: number, heads: number,
 *   learningRate: number, betas: [number, number], amplitudes?: Record<string, number>,
 *   batches: { histories: number[][], next: number[][], negatives: number[][] }[],
 *   trainings: Record<'pre' | 'post', { losses: number[], sumOfSquares: Record<string, number> }>,
 * }} Reference
 *
 * The packages that are used: built or from source.
 * @typedef {{ cf: typeof import('@crossgate/cf'), tensor: typeof import('@crossgate/tensor') }} Libraries
 */

/**
 * The initial values, by the same formula as in the script.
 *
 * @param {Libraries} libraries
 * @param {Reference} reference
 */
function initialValues({ cf }, reference) {
  /** @type {Map<string, { shape: readonly number[], data: Float32Array<ArrayBuffer> }>} */
  const values = new Map();
  const shapes = cf.sasRecShapes(reference.items, { ...reference, norm: 'pre' });
  for (const [place, [name, shape]] of [...shapes].entries()) {
    const length = shape.reduce((product, extent) => product * extent, 1);
    const base = name.endsWith('norm.weight') ? 1 : 0;
    const amplitude = reference.amplitudes?.[name] ?? 0.3;
    const data = Float32Array.from({ length }, (_, i) => {
      const mixed = 1000 * Math.sin(1 + 12.9898 * i + 78.233 * place);
      return base + (2 * amplitude * (mixed - Math.floor(mixed)) - amplitude);
    });
    if (name === 'item_embedding.weight') data.fill(0, 0, reference.cfDim);
    values.set(name, { shape, data });
  }
  return values;
}

/**
 * Trains as long as the reference did.
 *
 * @param {Libraries} libraries
 * @param {import('@crossgate/gpu').Device} device
 * @param {Reference} reference
 * @param {'pre' | 'post'} norm
 * @returns {Promise<{ losses: number[], lossError: number, valueError: number, farthest: string }>} the loss of each
 *   step, the largest relative difference of a loss, the largest one of a parameter's norm after the last step, and
 *   that parameter. Biases of keys are left out: a softmax does not feel what is added to all its logits, so their
 *   gradient is rounding, which Adam makes steps of.
 */
export async function followReference(libraries, device, reference, norm) {
  const { SasRec, sequenceLoss } = libraries.cf;
  const { Adam, readGroup, Tape, writeGroup } = libraries.tensor;
  const { items, cfDim, historyLength, blocks, heads, learningRate, batches } = reference;
  const [beta1, beta2] = reference.betas;
  const { losses: wanted, sumOfSquares } = reference.trainings[norm];
  const shape = { cfDim, historyLength, blocks, heads, norm };
  const seen = { userSeen: Uint8Array.of(0, 1), itemSeen: new Uint8Array(items + 1).fill(1, 1) };
  const model = SasRec.create(device, { ...shape, ...seen, dropout: 0, seed: 1 });
  writeGroup(model.group, initialValues(libraries, reference), 'the formula');
  model.group.trainable = true;
  const optimizer = new Adam([model.group], { kind: 'adam', learningRate, beta1, beta2 });
  const values = batches.map(({ histories, next, negatives }) => ({
    sequences: histories.map((history) => Int32Array.from(history)),
    next: Uint32Array.from(next.flat()),
    negatives: Uint32Array.from(negatives.flat()),
  }));
  const step = () => {
    const batch = /** @type {typeof values[number]} */ (values[optimizer.steps % values.length]);
    const open = device.step();
    try {
      model.group.zeroGradients();
      const tape = new Tape();
      const parts = tape.record(() => sequenceLoss(model, batch));
      tape.backward();
      optimizer.step();
      const read = Promise.all(parts.map((part) => part.read()));
      const sum = (/** @type {Float32Array} */ part) => part.reduce((total, value) => total + value, 0);
      return read.then((parts) => parts.reduce((total, part) => total + sum(part), 0) / batch.next.length);
    } finally {
      open.end();
    }
  };
  try {
    /** @type {number[]} */
    const losses = [];
    // A few steps at a time, so that what is read back does not pile up.
    while (losses.length < wanted.length) {
      const few = Math.min(20, wanted.length - losses.length);
      losses.push(...(await Promise.all(Array.from({ length: few }, step))));
    }
    const difference = (/** @type {number} */ value, /** @type {number | undefined} */ other) =>
      Math.abs(value / (other ?? Number.NaN) - 1);
    const after = [...(await readGroup(model.group))].filter(([name]) => !name.endsWith('.key.bias'));
    const norms = after.map(([name, { data }]) => {
      const squares = data.reduce((total, value) => total + value * value, 0);
      return { name, error: difference(Math.sqrt(squares), Math.sqrt(sumOfSquares[name] ?? Number.NaN)) };
    });
    const worst = norms.reduce((worst, each) => (each.error > worst.error ? each : worst));
    return {
      losses,
      lossError: Math.max(...losses.map((loss, i) => difference(loss, wanted[i]))),
      valueError: worst.error,
      farthest: worst.name,
    };
  } finally {
    optimizer.release();
    model.release();
  }
}
