/** What RMSNorm and LayerNorm share: their plan, dispatches over ranges of rows, and the gradient of the weight. */
import { type BufferSlice, type Device, InputError } from '@crossgate/gpu';
import { normWeightGradient } from './norm-weight/norm-weight';
import { type PlanCapabilities, softwareWorkgroupSize } from './plan';
import { type RowWalkPlan, rowWalkConstants, walkRows, workgroupPerRow } from './row-walk';
import { elements, requireElements, requireSizes, rowRanges } from './slices';

/** How a norm runs: who works on a row, and whether columns are read one by one or in fours. */
export interface NormPlan extends RowWalkPlan {
  /** True when four columns are read at once. */
  readonly vector: boolean;
}

/** Chooses the variant of a norm. Pure: same arguments, same plan. */
export function planNorm(shape: Pick<NormArguments, 'columns'>, capabilities: PlanCapabilities): NormPlan {
  const { columns } = shape;
  const vector = columns % 4 === 0;
  if (capabilities.software) return { variant: 'row', vector, workgroupSize: softwareWorkgroupSize };
  return { ...workgroupPerRow(vector ? columns / 4 : columns), vector };
}

/** Shape of what is normalized. */
interface NormShape {
  /** Rows of x, at least 1. */
  readonly rows: number;
  /** Columns of x, at least 1. */
  readonly columns: number;
  /** Added under the root, > 0. */
  readonly epsilon: number;
  /** For tests and measurements; default: {@link planNorm}. */
  readonly plan?: NormPlan;
}

/** Arguments of `rmsNorm`, and of `layerNorm` with a bias. */
export interface NormArguments extends NormShape {
  /** f32 [rows, columns] */
  readonly x: BufferSlice;
  /** f32 [columns] */
  readonly weight: BufferSlice;
  /** f32 [rows, columns]; another buffer than x. */
  readonly out: BufferSlice;
}

/** Arguments of `rmsNormBackward`, and of `layerNormBackward` with a bias. */
export interface NormBackwardArguments extends NormShape {
  /** The input of the forward pass, f32 [rows, columns]. */
  readonly x: BufferSlice;
  /** f32 [columns] */
  readonly weight: BufferSlice;
  /** f32 [rows, columns] */
  readonly gradOut: BufferSlice;
  /** Gradient with respect to x, f32 [rows, columns], written. */
  readonly gradX: BufferSlice;
  /** Gradient with respect to weight, f32 [columns]; not computed when absent. */
  readonly gradWeight?: BufferSlice;
  /** Adds to gradWeight instead of replacing it. */
  readonly accumulateWeight?: boolean;
}

/** Defaults of the constants of a norm's kernels. */
export const normConstants = { VECTOR: false, ...rowWalkConstants };

/** `width` counts values: elements, or vectors of four. */
export const normParameters = { rows: 'u32', width: 'u32', columns: 'f32', epsilon: 'f32' } as const;

/** A range of rows that fits the bindings, and what its dispatches are made of. */
interface NormPart {
  readonly count: number;
  /** The range's rows of a matrix. */
  readonly rowsOf: (matrix: BufferSlice) => BufferSlice;
  /** Exactly one row's worth of a vector over the columns. */
  readonly row: (vector: BufferSlice) => BufferSlice;
  /** What a kernel over rows is dispatched with beside its bindings. */
  readonly launch: {
    readonly parameters: Readonly<Record<keyof typeof normParameters, number>>;
    /** Values of {@link normConstants}. */
    readonly constants: typeof normConstants;
    readonly workgroups: number;
  };
}

/**
 * Checks the arguments of a norm and divides its rows.
 *
 * @param matrices slices [rows, columns] by name.
 * @param vectors slices [columns] by name; undefined for those that are not asked for.
 * @throws InputError when a slice is smaller than its shape, or when columns do not come in fours as the plan says.
 */
export function normParts(
  operation: string,
  device: Device,
  { rows, columns, epsilon, plan = planNorm({ columns }, device.capabilities) }: NormShape,
  matrices: Readonly<Record<string, BufferSlice>>,
  vectors: Readonly<Record<string, BufferSlice | undefined>>,
): NormPart[] {
  requireSizes(operation, { rows, columns });
  for (const [name, slice] of Object.entries(matrices)) requireElements(operation, name, slice, rows * columns);
  for (const [name, slice] of Object.entries(vectors)) if (slice) requireElements(operation, name, slice, columns);
  const width = plan.vector ? columns / 4 : columns;
  if (!Number.isInteger(width)) {
    throw new InputError(`${operation}: ${columns} columns are no multiple of 4, as vectors need`);
  }
  return rowRanges(operation, device, rows, [columns]).map(({ first, count }) => {
    const { constants, workgroups } = walkRows(plan, count);
    return {
      count,
      rowsOf: (matrix) => elements(matrix, first * columns, count * columns),
      row: (vector) => elements(vector, 0, columns),
      launch: {
        parameters: { rows: count, width, columns, epsilon },
        constants: { VECTOR: plan.vector, ...constants },
        workgroups,
      },
    };
  });
}

/**
 * Runs a norm's backward pass: `launch` for every range of rows, then the weight's gradient where it is wanted.
 *
 * @param centered whether a row's statistics are its mean and the inverse root, or the inverse root alone.
 * @param launch writes gradX, and the statistics of every row where there is memory for them.
 */
export function normBackward(
  operation: string,
  device: Device,
  args: NormBackwardArguments,
  centered: boolean,
  launch: (part: NormPart, statistics: BufferSlice | undefined) => void,
): void {
  const { x, weight, gradOut, gradX, gradWeight, columns } = args;
  let accumulate = args.accumulateWeight ?? false;
  for (const part of normParts(operation, device, args, { x, gradOut, gradX }, { weight, gradWeight })) {
    const { count: rows, rowsOf } = part;
    const statistics = gradWeight && device.memory.allocate((centered ? 8 : 4) * rows);
    launch(part, statistics);
    if (gradWeight === undefined || statistics === undefined) continue;
    const vector = part.launch.constants.VECTOR;
    const own = { x: rowsOf(x), gradOut: rowsOf(gradOut), statistics, centered, vector };
    normWeightGradient(device, { ...own, gradWeight, accumulate, rows, columns });
    accumulate = true;
    device.memory.releaseEarly(statistics);
  }
}
