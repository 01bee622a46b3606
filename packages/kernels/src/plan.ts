/**
 * How elementwise and row-wise kernels are spread over workgroups: the counterpart of the includes `values` and
 * `invocations`. Every planner of the kernels is pure, takes a shape and the device's capabilities, and gives plain
 * data.
 */
import type { Capabilities } from '@crossgate/gpu';

/** What a planner asks of a device. `device.capabilities` is one. */
export type PlanCapabilities = Pick<Capabilities, 'software'>;

/**
 * Invocations per workgroup on software adapters: one vector register. A larger workgroup is run there as several that
 * take turns, which made an addition of a million numbers four times slower (lavapipe, 8 lanes).
 */
export const softwareWorkgroupSize = 8;

/** A plan for a kernel of which every invocation does one piece of work: a row, or a short span. */
export interface InvocationPlan {
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  readonly workgroups: number;
}

/** Plans a kernel over pieces of work, one to an invocation. Pure. */
export function planInvocations(
  shape: { readonly invocations: number },
  capabilities: PlanCapabilities,
): InvocationPlan {
  const workgroupSize = capabilities.software ? softwareWorkgroupSize : 128;
  return { workgroupSize, workgroups: Math.ceil(shape.invocations / workgroupSize) };
}

/** A plan for equal pieces of work that do not depend on each other. */
export interface ValuePlan {
  readonly workgroupSize: number;
  /** Values per invocation, a workgroup's width apart. */
  readonly items: number;
  readonly workgroups: number;
}

/** Plans independent values: one per invocation on hardware, loops on software, where workgroups are small. Pure. */
export function planValues(shape: { readonly values: number }, capabilities: PlanCapabilities): ValuePlan {
  const { values } = shape;
  const { software } = capabilities;
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

/** Plans an elementwise kernel: vectors of four where the count allows. Pure. */
export function planElements(shape: { readonly count: number }, capabilities: PlanCapabilities): ElementPlan {
  const vector = shape.count % 4 === 0;
  const values = vector ? shape.count / 4 : shape.count;
  return { vector, values, ...planValues({ values }, capabilities) };
}

/** Defaults of the constants of an elementwise kernel: what the includes `vector` and `values` read. */
export const elementConstants = { VECTOR: false, ITEMS: 1, WORKGROUP_SIZE: 64 };

/** Constants and workgroups of a dispatch over values, each an element or a vector of four. Pure. */
export function spreadValues({ items, workgroupSize, workgroups }: ValuePlan, vector: boolean) {
  return { constants: { VECTOR: vector, ITEMS: items, WORKGROUP_SIZE: workgroupSize }, workgroups };
}

/** A plan for a kernel over [rows, columns] in which an invocation handles a span of neighboring values of one row. */
export interface RowPlan {
  /** True when four columns are read at once. */
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
 * software adapter wants to look an index up once for several values (span up to 4). Pure.
 */
export function planRows(
  shape: { readonly rows: number; readonly columns: number },
  capabilities: PlanCapabilities,
): RowPlan {
  const { rows, columns } = shape;
  const { software } = capabilities;
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
