/** How elementwise and row-wise kernels are spread over workgroups: the counterpart of the includes `values` and `invocations`. */

/**
 * Invocations per workgroup on software adapters: one vector register. A larger workgroup is run there as several that
 * take turns, which made an addition of a million numbers four times slower (lavapipe, 8 lanes).
 */
export const softwareWorkgroupSize = 8;

/** Invocations per workgroup where each handles one row or one short span. */
export function rowWorkgroupSize(software: boolean): number {
  return software ? softwareWorkgroupSize : 128;
}

/** A plan for `values` equal pieces of work. */
export interface ValuePlan {
  readonly workgroupSize: number;
  /** Values per invocation, a workgroup's width apart. */
  readonly items: number;
  readonly workgroups: number;
}

/** Plans independent values: one per invocation on hardware, loops on software, where workgroups are small. */
export function planValues(values: number, software: boolean): ValuePlan {
  const workgroupSize = software ? softwareWorkgroupSize : 256;
  const items = !software || values < 512 ? 1 : values < 16_384 ? 4 : 32;
  return { workgroupSize, items, workgroups: Math.ceil(values / (workgroupSize * items)) };
}

/** A plan for an elementwise kernel. A value is an element, or a vector of four. */
export interface ElementPlan extends ValuePlan {
  /** True when four elements are read at once. */
  readonly vector: boolean;
  /** Values of the whole array. */
  readonly values: number;
}

/** Plans an elementwise kernel over `count` elements: vectors of four where the count allows. */
export function planElements(count: number, software: boolean): ElementPlan {
  const vector = count % 4 === 0;
  const values = vector ? count / 4 : count;
  return { vector, values, ...planValues(values, software) };
}

/** Defaults of the constants of an elementwise kernel: what the includes `vector` and `values` read. */
export const elementConstants = { VECTOR: false, ITEMS: 1, WORKGROUP_SIZE: 64 };

/** Constants and workgroups of a dispatch over values, each an element or a vector of four. Pure. */
export function spreadValues({ items, workgroupSize, workgroups }: ValuePlan, vector: boolean) {
  return { constants: { VECTOR: vector, ITEMS: items, WORKGROUP_SIZE: workgroupSize }, workgroups };
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
  const workgroupSize = software ? softwareWorkgroupSize : 256;
  const workgroups = Math.ceil((rows * spansPerRow) / workgroupSize);
  return { vector, valuesPerRow, span, spansPerRow, workgroupSize, workgroups };
}

/** Defaults of the constants of a kernel over spans of rows. */
export const rowConstants = { VECTOR: false, SPAN: 1, WORKGROUP_SIZE: 64 };

/** Constants and workgroups of a dispatch over spans of rows. Pure. */
export function spreadRows({ vector, span, workgroupSize, workgroups }: RowPlan) {
  return { constants: { VECTOR: vector, SPAN: span, WORKGROUP_SIZE: workgroupSize }, workgroups };
}
