// How long a dispatch should take on an NVIDIA H100, from what it counts: the arithmetic, the bytes, and how many workgroups
// share a multiprocessor. Every number that is no count is an assumption, and stands in `assumptions` with its ground.

/**
 * A group of equal dispatches, as `crossgate-bench training --step NAME --count --json` prints it.
 * @typedef {{ kernel: string, dispatches: number, workgroups: number, flops: number, bytes: number,
 *   product?: { rows: number, columns: number, inner: number, innerPerSplit: number },
 *   constants: Record<string, number | boolean> }} WorkGroup
 */
/**
 * A counted step.
 * @typedef {{ name: string, shape: string, precision: string, tokens: number, dispatches: number, flops: number,
 *   bytes: number, memory: { persistent: number, peak: number }, groups: WorkGroup[] }} CountReport
 */
/**
 * A line of the result: a kernel, or one shape of product.
 * @typedef {{ kernel: string, shape: string, dispatches: number, tflop: number, gb: number, workgroups: number,
 *   rooflineMs: number, predictedMs: number, limit: string }} Prediction
 */

/** @type {Readonly<Record<string, readonly [value: number, ground: string]>>} */
export const assumptions = {
  multiprocessors: [132, 'NVIDIA, H100 SXM'],
  gigahertz: [1.9, 'a boost clock that products in f32 can hold'],
  lanes: [128, 'f32 lanes of a multiprocessor: 64 TFLOP/s in all'],
  memory: [3350, 'GB/s of HBM3, by data sheet'],
  memoryShare: [0.85, 'of it that a copy reaches'],
  cache: [5500, 'GB/s of the second-level cache'],
  cached: [25e6, 'bytes: a dispatch that binds fewer finds them in the cache (50 MB), where the one before left them'],
  drain: [2.5, 'microseconds between dispatches that depend on each other: a barrier, and workgroups that start anew'],
  host: [10, 'microseconds of the host for a dispatch; it records a step while the device works on the one before'],
  busy: [0.75, 'of the clocks in which a product multiplies where two or more workgroups share a multiprocessor'],
  alone: [0.5, 'the same where only one does: nothing is computed while it copies a slab'],
  wavefronts: [2, 'of workgroup memory for a read of 16 bytes by 32 invocations; by the addresses 1 to 4 are possible'],
  tensor: [989, 'TFLOP/s of matrix units: dense products of f16 with sums in f32, by data sheet'],
  matrix: [
    0.2,
    'of it where two or more workgroups share a multiprocessor: 150 to 250 TFLOP/s are expected of WebGPU, which has neither ' +
      'asynchronous copies nor products of whole warp groups',
  ],
  matrixAlone: [0.13, 'the same where only one does: less in the ratio of alone to busy'],
  attention: [0.35, 'of the f32 rate in the forward pass of attention by blocks'],
  attentionBackward: [0.3, 'of it in both backward passes'],
  attentionMatrix: [
    0.08,
    'of the rate of matrix units in attention by them: its weights go to and from workgroup memory, and its forward pass ' +
      'computes scores twice',
  ],
};
/** @param {keyof typeof assumptions} name */
const assumed = (name) => {
  const [value] = assumptions[name] ?? [];
  if (value === undefined) throw new Error(`nothing is assumed of ${name}`);
  return value;
};

/** Floating-point operations of the whole GPU in a millisecond. */
const operationsPerMs = () => 2 * assumed('lanes') * assumed('multiprocessors') * assumed('gigahertz') * 1e6;

/**
 * Milliseconds in which one dispatch's bytes move.
 * @param {number} bytes
 * @param {number} share of the memory's rate
 */
function memoryMs(bytes, share) {
  const rate = bytes <= assumed('cached') ? assumed('cache') : assumed('memory') * share;
  return bytes / rate / 1e6;
}

/**
 * Milliseconds of a tiled product: each multiprocessor works off its workgroups, slab by slab. A slab takes the clocks of
 * its multiplications or of its reads and writes of workgroup memory, whichever are more: both go on at the same time.
 * @param {WorkGroup} group
 */
function tiledMs({ workgroups, product, constants }) {
  const names = /** @type {const} */ (['ROWS', 'COLUMNS', 'THREADS', 'COLUMN_THREADS', 'SLAB', 'RANK']);
  const { ROWS, COLUMNS, THREADS, COLUMN_THREADS, SLAB, RANK } = numbers(constants, [...names]);
  if (!product) throw new Error('a product has extents');
  const invocations = THREADS * COLUMN_THREADS;
  // An update counts as so many more inner positions.
  const slabs = Math.ceil((Math.min(product.innerPerSplit, product.inner) + RANK) / SLAB);
  const multiplications = (ROWS * COLUMNS * SLAB * invocations) / assumed('lanes');
  const reads = ((ROWS + COLUMNS) / 4) * SLAB * (invocations / 32) * assumed('wavefronts');
  const writes = ((ROWS * THREADS + COLUMNS * COLUMN_THREADS) * SLAB) / 32;
  const each = Math.ceil(workgroups / assumed('multiprocessors'));
  const clocks = each * slabs * Math.max(multiplications, reads + writes);
  return clocks / assumed(each > 1 ? 'busy' : 'alone') / assumed('gigahertz') / 1e6;
}

/** Floating-point operations of all matrix units in a millisecond. */
const matrixOperationsPerMs = () => assumed('tensor') * 1e9;

/**
 * Milliseconds of a product by matrix units: each multiprocessor works off its workgroups, whole tiles, slab by slab. The
 * assumed share is that of subgroups that compute 64 x 32 each; smaller parts read more of workgroup memory for a product.
 * @param {WorkGroup} group
 */
function matrixMs({ workgroups, product, constants }) {
  const names = /** @type {const} */ (['ROWS', 'COLUMNS', 'SUBGROUP_ROWS', 'SUBGROUP_COLUMNS', 'SLAB', 'RANK']);
  const { ROWS, COLUMNS, SUBGROUP_ROWS, SUBGROUP_COLUMNS, SLAB, RANK } = numbers(constants, [...names]);
  if (!product) throw new Error('a product has extents');
  const slabs = Math.ceil(Math.min(product.innerPerSplit, product.inner) / SLAB);
  const operations = 2 * ROWS * SUBGROUP_ROWS * COLUMNS * SUBGROUP_COLUMNS * slabs * SLAB;
  const each = Math.ceil(workgroups / assumed('multiprocessors'));
  const reads = Math.max(1, (1 / ROWS + 1 / COLUMNS) / (1 / 64 + 1 / 32));
  const rate = (matrixOperationsPerMs() / assumed('multiprocessors')) * assumed(each > 1 ? 'matrix' : 'matrixAlone');
  // An update is for the f32 lanes.
  const update = (2 * ROWS * SUBGROUP_ROWS * COLUMNS * SUBGROUP_COLUMNS * RANK) / operationsPerMs();
  return (each * operations * reads) / rate + each * assumed('multiprocessors') * update;
}

/**
 * @template {string} Name
 * @param {Record<string, number | boolean>} constants
 * @param {Name[]} names
 * @returns {Record<Name, number>}
 */
function numbers(constants, names) {
  for (const name of names) {
    if (typeof constants[name] !== 'number') throw new Error(`a product without ${name}: the kernel has changed`);
  }
  return /** @type {Record<Name, number>} */ (constants);
}

/**
 * The prediction for one dispatch of a group.
 * @param {WorkGroup} group
 * @returns {{ rooflineMs: number, predictedMs: number, limit: string }}
 */
export function predictDispatch(group) {
  const { kernel, flops, bytes } = group;
  const byMatrices = kernel === 'matmul-matrix' || kernel.startsWith('attention-matrix');
  let arithmetic = flops / (byMatrices ? matrixOperationsPerMs() : operationsPerMs());
  const rooflineMs = Math.max(arithmetic, memoryMs(bytes, 1));
  if (kernel === 'matmul-tiled') arithmetic = tiledMs(group);
  else if (kernel === 'matmul-matrix') arithmetic = matrixMs(group);
  else if (flops > 0 && kernel.startsWith('attention')) {
    const busy = Math.min(1, group.workgroups / assumed('multiprocessors'));
    // Without matrix units only its backward passes compute scores again, which they count.
    const again = kernel === 'attention-matrix' ? 1.5 : 1;
    const share = kernel === 'attention-block' ? 'attention' : 'attentionBackward';
    arithmetic *= again / (busy * assumed(byMatrices ? 'attentionMatrix' : share));
  } else if (flops > 0 && !['matmul-skinny', 'matmul-split-sum'].includes(kernel)) {
    throw new Error(`no model of the kernel ${kernel}: add one`);
  }
  let memory = memoryMs(bytes, assumed('memoryShare'));
  if (kernel === 'matmul-skinny') {
    // Its workgroups are few where the long side is short: those that have none read nothing.
    const busy = Math.min(1, group.workgroups / assumed('multiprocessors'));
    arithmetic /= busy * assumed('alone');
    memory /= busy;
  }
  const drain = assumed('drain') / 1000;
  const predictedMs = Math.max(arithmetic, memory) + drain;
  const limit = drain > Math.max(arithmetic, memory) ? 'start' : arithmetic > memory ? 'arithmetic' : 'memory';
  return { rooflineMs, predictedMs, limit };
}

/**
 * Predictions by kernel, products by kind; the longest first.
 * @param {CountReport} count
 * @returns {Prediction[]}
 */
export function predictStep({ groups }) {
  /** @type {Map<string, Prediction & { limits: Map<string, number> }>} */
  const lines = new Map();
  for (const group of groups) {
    const { dispatches, flops, bytes, workgroups } = group;
    const { rooflineMs, predictedMs, limit } = predictDispatch(group);
    const shape = shapeOf(group);
    const key = `${group.kernel} ${shape}`;
    const line = lines.get(key) ?? {
      ...{ kernel: group.kernel, shape, dispatches: 0, tflop: 0, gb: 0, workgroups: 0, rooflineMs: 0, predictedMs: 0 },
      ...{ limit, limits: new Map() },
    };
    line.dispatches += dispatches;
    line.tflop += (dispatches * flops) / 1e12;
    line.gb += (dispatches * bytes) / 1e9;
    line.workgroups = Math.max(line.workgroups, workgroups);
    line.rooflineMs += dispatches * rooflineMs;
    line.predictedMs += dispatches * predictedMs;
    line.limits.set(limit, (line.limits.get(limit) ?? 0) + dispatches * predictedMs);
    lines.set(key, line);
  }
  return [...lines.values()]
    .map(({ limits, ...line }) => ({ ...line, limit: [...limits].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '' }))
    .sort((a, b) => b.predictedMs - a.predictedMs);
}

/**
 * Kinds of product, by what their shapes are.
 * @param {WorkGroup} group
 */
function shapeOf({ product, constants }) {
  if (!product) return '';
  const layout = `${constants.TRANSPOSE_A ? 'Aᵀ' : 'A'}·${constants.TRANSPOSE_B ? 'Bᵀ' : 'B'}`;
  return `${layout}${constants.QUANTIZED ? `, B of ${constants.BITS} bits` : ''}`;
}

/**
 * A step with its predictions.
 * @param {CountReport} count
 */
export function predict(count) {
  const kernels = predictStep(count);
  /** @param {'predictedMs' | 'rooflineMs'} name */
  const sum = (name) => kernels.reduce((total, kernel) => total + kernel[name], 0);
  const gpuMs = sum('predictedMs');
  const hostMs = (count.dispatches * assumed('host')) / 1000;
  const stepMs = Math.max(gpuMs, hostMs);
  const { name, shape, precision, tokens, dispatches, memory } = count;
  return {
    ...{ name, shape, precision, tokens, dispatches, tflop: count.flops / 1e12, gb: count.bytes / 1e9, memory },
    ...{ rooflineMs: sum('rooflineMs'), gpuMs, hostMs, stepMs, tokensPerSecond: (1000 * tokens) / stepMs, kernels },
  };
}
