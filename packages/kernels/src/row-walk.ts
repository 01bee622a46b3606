/** Launching kernels over the rows of a matrix: the counterpart of the include `row-walk`. */

/** Who works on a row. */
export interface RowWalkPlan {
  /** `row`: one invocation walks it; `workgroup`: a workgroup shares it. */
  readonly variant: 'row' | 'workgroup';
  /** Invocations per workgroup; a power of two where a workgroup shares a row. */
  readonly workgroupSize: number;
}

/** Defaults of the constants that the include reads. */
export const rowWalkConstants = { ROW_PER_INVOCATION: true, WORKGROUP_SIZE: 64 };

/** A workgroup for each row of `width` values: about one value to an invocation, 32 to 256 of them. Pure. */
export function workgroupPerRow(width: number): RowWalkPlan {
  return { variant: 'workgroup', workgroupSize: Math.min(256, Math.max(32, 2 ** Math.ceil(Math.log2(width)))) };
}

/** Constants and workgroups of a dispatch over `rows`. Pure. */
export function walkRows({ variant, workgroupSize }: RowWalkPlan, rows: number) {
  const rowPerInvocation = variant === 'row';
  return {
    constants: { ROW_PER_INVOCATION: rowPerInvocation, WORKGROUP_SIZE: workgroupSize },
    workgroups: rowPerInvocation ? Math.ceil(rows / workgroupSize) : rows,
  };
}
