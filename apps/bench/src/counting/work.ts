/** What dispatches compute and move, from their declarations, parameters and bindings. */
import { type DispatchArguments, type KernelDeclaration, numberOf, resolveConstants } from '@crossgate/gpu';

/** One dispatch. */
export interface DispatchWork {
  /** Name of the kernel. */
  readonly kernel: string;
  readonly workgroups: number;
  /** Its constants, defaults included. */
  readonly constants: Readonly<Record<string, number | boolean>>;
  readonly parameters: Readonly<Record<string, number>>;
  /** Floating-point operations of products and attention; 0 for kernels that memory limits. */
  readonly flops: number;
  /** Bytes that must be read or written once: of every array that is bound, of a table the rows that are used. */
  readonly bytes: number;
}

/** All dispatches of a kernel. */
export interface KernelWork {
  readonly name: string;
  readonly dispatches: number;
  readonly flops: number;
  readonly bytes: number;
}

/**
 * Operations of attention for a query head, a pair of tokens and a column of a head: two products forward, three for the
 * gradient of queries and four for those of keys and values, which compute the scores again. (So does attention-matrix
 * forward, which does not count: it is no more of a result.)
 */
const attentionOperations: Readonly<Record<string, number>> = {
  attention: 4,
  'attention-block': 4,
  'attention-matrix': 4,
  'attention-backward-query': 6,
  'attention-block-query': 6,
  'attention-matrix-query': 6,
  'attention-backward-key': 8,
  'attention-block-key': 8,
  'attention-matrix-key': 8,
  'attention-delta': 0,
  'attention-sum-parts': 0,
};

/** Kernels that always read what they write. */
const inPlace: ReadonlySet<string> = new Set(['adam', 'add-scaled']);

/** Arrays of which a kernel reads a few elements for each row: they are left out. */
const lookedUp: Readonly<Record<string, string>> = {
  'cross-entropy-loss': 'logits',
  'yes-no-loss-rows': 'logits',
  rope: 'table',
};

/** Pairs of a token and one that it attends to, itself included. */
export function attentionPairs(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + (length * (length + 1)) / 2, 0);
}

/**
 * The work of one dispatch of a step.
 *
 * @param pairs of the batch's attention: see {@link attentionPairs}.
 * @throws Error for a kernel of attention that is not known here: it would count as nothing.
 */
export function workOf(declaration: KernelDeclaration, args: DispatchArguments, pairs: number): DispatchWork {
  const { name, bindings } = declaration;
  const constants = resolveConstants(declaration, args.constants);
  const { workgroups } = args;
  const parameters = Object.fromEntries(Object.entries(args.parameters).map(([key, value]) => [key, numberOf(value)]));
  let bytes = 0;
  for (const [binding, { access }] of Object.entries(bindings)) {
    if (lookedUp[name] === binding) continue;
    const size = args.bindings[binding]?.size ?? 0;
    // What is added to is read as well.
    bytes += access === 'read_write' && (constants.ACCUMULATE === true || inPlace.has(name)) ? 2 * size : size;
  }
  // A table is bound whole, and the rows that are gathered are as many bytes as the result.
  if (name.startsWith('gather')) bytes = 2 * (args.bindings.out?.size ?? 0);
  return { kernel: name, workgroups, constants, parameters, flops: flopsOf(name, args, constants, pairs), bytes };
}

function flopsOf(
  name: string,
  { parameters }: DispatchArguments,
  constants: Readonly<Record<string, number | boolean>>,
  pairs: number,
): number {
  const { rows, columns, inner, heads } = parameters as Readonly<Record<string, number | undefined>>;
  // A product, its second stage, or both with an update.
  const length = (inner ?? 0) + Number(constants.RANK ?? 0);
  if (rows !== undefined && columns !== undefined && length > 0) return 2 * rows * columns * length;
  if (!name.startsWith('attention')) return 0;
  const operations = attentionOperations[name];
  if (operations === undefined) throw new Error(`the operations of the kernel ${name} are not known`);
  return operations === 0 ? 0 : operations * pairs * heads! * Number(constants.HEAD_DIM);
}

/** Sums by kernel, in the order of their first dispatches. */
export function workByKernel(dispatches: readonly DispatchWork[]): KernelWork[] {
  const sums = new Map<string, KernelWork>();
  for (const { kernel, flops, bytes } of dispatches) {
    const sum = sums.get(kernel) ?? { name: kernel, dispatches: 0, flops: 0, bytes: 0 };
    sums.set(kernel, {
      name: kernel,
      dispatches: sum.dispatches + 1,
      flops: sum.flops + flops,
      bytes: sum.bytes + bytes,
    });
  }
  return [...sums.values()];
}

/** Dispatches of a kernel that do the same work. */
export interface WorkGroup {
  readonly kernel: string;
  readonly dispatches: number;
  /** Of each of them, as everything below. */
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
  /** Of a product: its extents, and how the inner axis is divided. */
  readonly product?: Readonly<Record<(typeof productParameters)[number], number>>;
  /** Constants of the kernel, defaults included. */
  readonly constants: Readonly<Record<string, number | boolean>>;
}

const productParameters = ['rows', 'columns', 'inner', 'innerPerSplit'] as const;

/** Dispatches that do the same, together, in the order of their first. */
export function groupWork(dispatches: readonly DispatchWork[]): WorkGroup[] {
  const groups = new Map<string, WorkGroup>();
  for (const { kernel, workgroups, flops, bytes, constants, parameters } of dispatches) {
    const isProduct = parameters.inner !== undefined;
    const product = Object.fromEntries(productParameters.map((name) => [name, parameters[name]!]));
    const group = {
      ...{ kernel, workgroups, flops, bytes, constants },
      ...(isProduct && { product: product as NonNullable<WorkGroup['product']> }),
    };
    const key = JSON.stringify(group);
    groups.set(key, { ...group, dispatches: (groups.get(key)?.dispatches ?? 0) + 1 });
  }
  return [...groups.values()];
}
