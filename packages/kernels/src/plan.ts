/** How elementwise and row-wise kernels are spread over workgroups. Pure: same arguments, same plan. */

/** A plan for a kernel that treats every value alike. A value is an element, or a vector of four. */
export interface ElementPlan {
  /** True when four elements are read at once. */
  readonly vector: boolean;
  /** Values of the whole array. */
  readonly values: number;
  readonly workgroupSize: number;
  /** Values per invocation, a workgroup's width apart. */
  readonly items: number;
  readonly workgroups: number;
}

/**
 * Plans an elementwise kernel: vectors of four where the count allows. On software adapters invocations do more each,
 * because starting a workgroup costs more there than what it computes.
 */
export function planElements(count: number, software: boolean): ElementPlan {
  const vector = count % 4 === 0;
  const values = vector ? count / 4 : count;
  const workgroupSize = software ? 128 : 256;
  const items = software && values >= 16_384 ? 8 : 1;
  return { vector, values, workgroupSize, items, workgroups: Math.ceil(values / (workgroupSize * items)) };
}

/** A plan for a kernel over [rows, columns] in which an invocation handles a span of neighboring values of one row. */
export interface RowPlan {
  readonly vector: boolean;
  readonly valuesPerRow: number;
  /** Values per invocation. */
  readonly span: number;
  readonly spansPerRow: number;
  readonly workgroupSize: number;
  readonly workgroups: number;
}

/**
 * Plans a kernel that works on rows value by value. Hardware wants neighbors in neighboring invocations (span 1); a
 * software adapter wants to look an index up once for several values (span up to 4).
 */
export function planRows(rows: number, columns: number, software: boolean): RowPlan {
  const vector = columns % 4 === 0;
  const valuesPerRow = vector ? columns / 4 : columns;
  const span = software ? Math.max(1, Math.min(4, valuesPerRow)) : 1;
  const spansPerRow = Math.ceil(valuesPerRow / span);
  const workgroupSize = software ? 128 : 256;
  const workgroups = Math.ceil((rows * spansPerRow) / workgroupSize);
  return { vector, valuesPerRow, span, spansPerRow, workgroupSize, workgroups };
}
