// Reverse-mode automatic differentiation: a tape of operations, run backwards once.

import type { BufferSlice, Device } from '@crossgate/gpu';
import { addScaled, binary } from '@crossgate/kernels';
import { Parameter } from './parameters';
import { type SavedOptions, SavedTensors } from './saved';
import { empty, expectTensor, Tensor, tidy } from './tensor';

/** Takes the gradients that an operation's backward computes for its inputs. */
export interface Gradients {
  /** Whether the gradient of this input is wanted. An operation skips the work for the others. */
  needs(input: Tensor): boolean;
  /**
   * Hands over a gradient, which may be the output's own. The tape adds it to those that the input has already.
   *
   * @throws InputError for a gradient that is not f32 or has another shape than the input.
   */
  give(input: Tensor, gradient: Tensor): void;
  /**
   * Memory into which a kernel writes the gradient of `input` directly. With `accumulate` the kernel must add to the
   * values that are there. Without it the contents are undefined: a kernel that does not write all of them needs the
   * memory cleared first.
   */
  target(input: Tensor): { slice: BufferSlice; accumulate: boolean };
  /**
   * The gradient that `input` has so far, for a kernel that adds it to what it computes; undefined where there is none to
   * be had. What contains it is handed over by {@link replace}.
   */
  soFar(input: Tensor): Tensor | undefined;
  /** Hands over a gradient that contains what {@link soFar} gave. */
  replace(input: Tensor, gradient: Tensor): void;
  /**
   * The values of a tensor that the operation saved. They may lie in other memory now, rounded to the tape's storage.
   */
  saved(tensor: Tensor): Tensor;
}

/**
 * Computes the gradients of an operation's inputs from those of its outputs, which come in the order of the outputs;
 * undefined for an output that no gradient reached.
 */
export type Backward = (gradients: readonly (Tensor | undefined)[], into: Gradients) => void;

interface Node {
  readonly name: string;
  readonly outputs: readonly Tensor[];
  readonly saved: readonly Tensor[];
  readonly exact: readonly Tensor[];
  readonly root: boolean;
  readonly backward: Backward;
  /** Trained parameters that `backward` gives gradients to. */
  readonly parameters: readonly Parameter[];
}

/** A recorded node. */
interface Entry extends Node {
  /** Of its parameters, those that no earlier node uses: once its backward has run, their gradients are final. */
  readonly completes: readonly Parameter[];
}

/** Optional properties of a recorded operation. */
export interface RecordOptions {
  /**
   * True for losses. Their backward needs no incoming gradient, and the tensors they save are their own gradients.
   * Default false.
   */
  readonly root?: boolean;
  /** More tensors that `backward` reads. The tape never rounds these. Default none. */
  readonly exact?: readonly Tensor[];
}

let active: Tape | null = null;
/** Where the parameters of operations are noted whose second run alone is recorded, inside {@link checkpoint}. */
let noted: Set<Parameter> | null = null;

/** The tape that is recording now; null when none is. */
export function activeTape(): Tape | null {
  return active;
}

/** Runs `body` without recording, e.g. to evaluate inside a recorded function. Returns and throws what `body` does. */
export function withoutTape<T>(body: () => T): T {
  const outer = active;
  active = null;
  try {
    return body();
  } finally {
    active = outer;
  }
}

/** The inputs that are parameters and are trained. */
function trainedOf(inputs: readonly Tensor[]): Parameter[] {
  return inputs.filter((input) => input instanceof Parameter && input.requiresGrad) as Parameter[];
}

/**
 * Whether {@link record} would put an operation with these inputs on a tape. For operations that make something for their
 * backward alone, which then need not call `record` otherwise. They must ask this, not {@link activeTape}: inside a
 * {@link checkpoint} the answer is no, and the inputs are noted.
 */
export function willRecord(inputs: readonly Tensor[]): boolean {
  if (noted) for (const parameter of trainedOf(inputs)) noted.add(parameter);
  return active !== null && inputs.some(({ requiresGrad }) => requiresGrad);
}

/**
 * Puts an operation on the active tape if at least one of its inputs requires a gradient. Its outputs then require one
 * too.
 *
 * @param name of the operation, for messages.
 * @param inputs tensors whose gradients `backward` can compute. It gives none to a parameter that is not among them.
 * @param outputs results of the operation, f32.
 * @param saved tensors whose values `backward` reads through {@link Gradients.saved}. The tape holds them until it has
 * run.
 * @returns `outputs`.
 * @throws InputError for an output of integers, which no gradient can flow to.
 */
export function record<T extends readonly Tensor[]>(
  name: string,
  inputs: readonly Tensor[],
  outputs: T,
  saved: readonly Tensor[],
  backward: Backward,
  { root = false, exact = [] }: RecordOptions = {},
): T {
  if (willRecord(inputs)) active?.push({ name, outputs, saved, exact, root, backward, parameters: trainedOf(inputs) });
  return outputs;
}

/**
 * Records operations and runs them backwards once: reverse-mode automatic differentiation.
 *
 * ```ts
 * const tape = new Tape();
 * const loss = tape.record(() => meanLoss(model(batch)));
 * tape.backward(); // gradients are now in the parameters' groups
 * ```
 * Declare it with `using` where code between the two calls may throw: the end of the block then frees the memory that
 * the tape holds.
 */
export class Tape implements Disposable {
  #nodes: Entry[] = [];
  readonly #parameters = new Set<Parameter>();
  readonly #gradients = new Map<number, Tensor>();
  readonly #saved: SavedTensors;

  constructor(options: SavedOptions = {}) {
    this.#saved = new SavedTensors(options);
  }

  /**
   * Records all operations of `forward`, which must be synchronous.
   *
   * @returns the result of `forward`.
   * @throws whatever `forward` throws; the tape is then empty.
   */
  record<T>(forward: () => T): T {
    const outer = active;
    active = this;
    try {
      return forward();
    } catch (error) {
      this.discard();
      throw error;
    } finally {
      active = outer;
    }
  }

  /** @internal */
  push(node: Node): void {
    for (const tensor of node.outputs) expectTensor(node.name, 'a result that gradients flow to', tensor, 'f32');
    for (const tensor of node.outputs) tensor.requiresGrad = true;
    for (const { device, slice } of node.exact) device.memory.retain(slice.storage);
    // Only what is held already is given back, should the device refuse memory for one.
    const saved: Tensor[] = [];
    this.#nodes.push({ ...node, saved, completes: node.parameters.filter((each) => !this.#parameters.has(each)) });
    for (const parameter of node.parameters) this.#parameters.add(parameter);
    for (const tensor of node.saved) {
      this.#saved.keep(tensor, node.root);
      saved.push(tensor);
    }
  }

  /**
   * Keeps the memory of tensors beyond the scope they were made in, for operations recorded later. The hold ends when
   * the backward pass returns to this point or the tape is emptied.
   *
   * @param tensors at least one, of any dtype.
   * @returns a function that tells whether they are still held.
   */
  hold(tensors: readonly Tensor[]): () => boolean {
    const [{ memory }, position] = [tensors[0]!.device, this.#nodes.length];
    const node: Entry = {
      ...{ name: 'hold', outputs: [], saved: [], exact: tensors, root: false, backward: () => {} },
      ...{ parameters: [], completes: [] },
    };
    for (const { slice } of tensors) memory.retain(slice.storage);
    this.#nodes.push(node);
    return () => this.#nodes[position] === node;
  }

  /** Number of recorded operations. */
  get length(): number {
    return this.#nodes.length;
  }

  /** The trained parameters that the backward pass adds gradients to. */
  get parameters(): ReadonlySet<Parameter> {
    return this.#parameters;
  }

  /**
   * Propagates gradients from the recorded losses, and from `seeds`, to all parameters and to `watched` tensors. The
   * tape is empty afterwards, also when an operation throws; the gradients of parameters are then incomplete.
   *
   * @param seeds pairs of a recorded result and the gradient with which to start there, for results that are no losses.
   * @param watched tensors whose gradients are wanted; those of parameters are in their group already.
   * @returns the gradients of `watched`, in order; undefined where none flows, as for integers.
   * @throws InputError for a seed that is not f32 or has another shape than its result.
   */
  backward(
    seeds: readonly (readonly [Tensor, Tensor])[] = [],
    watched: readonly Tensor[] = [],
  ): (Tensor | undefined)[] {
    const held = new Set<number>(watched.map(({ id }) => id));
    try {
      for (const [tensor, gradient] of seeds) this.#give('backward', tensor, gradient);
      for (let node = this.#nodes.at(-1); node; node = this.#nodes.at(-1)) this.#runNode(node, held);
      this.#parameters.clear();
    } catch (error) {
      this.discard();
      throw error;
    }
    const result = watched.map(({ id }) => this.#gradients.get(id));
    for (const gradient of this.#gradients.values()) adopt(gradient);
    this.#gradients.clear();
    return result;
  }

  /**
   * The backward pass of {@link backward} from the recorded losses, which stops whenever gradients have become final: so
   * they can be read, or sent, while the rest is recorded and runs. Until it has ended, the step must stay open and
   * nothing else be computed in it.
   *
   * ```ts
   * for (const parameters of tape.backwardInParts()) await send(parameters);
   * ```
   * @returns an iterator of the parameters whose gradients no later part changes; each of {@link parameters} comes once.
   * An iteration that is left early empties the tape.
   */
  *backwardInParts(): Generator<readonly Parameter[], void, undefined> {
    const held = new Set<number>();
    try {
      for (let node = this.#nodes.at(-1); node; node = this.#nodes.at(-1)) {
        this.#runNode(node, held);
        if (node.completes.length > 0) yield node.completes;
      }
    } finally {
      this.discard();
    }
  }

  /**
   * Runs the backward of the last node and drops the node with what it held. A node that throws stays, to be discarded.
   */
  #runNode(node: Entry, held: ReadonlySet<number>): void {
    const gradients = this.#gradients;
    const incoming = node.outputs.map(({ id }) => gradients.get(id));
    const { device } = (node.outputs[0] ?? node.exact[0])!;
    const restored = new Map<Tensor, Tensor>();
    // Whose gradient is final follows from the inputs: one that is not among them would be sent too early.
    const expectInput = (input: Tensor) => {
      if (!(input instanceof Parameter) || !input.requiresGrad || node.parameters.includes(input)) return;
      throw new Error(`${node.name} has a gradient for the parameter ${input.name}, which is not among its inputs`);
    };
    const into: Gradients = {
      needs: (input) => input.requiresGrad,
      give: (input, gradient) => {
        expectInput(input);
        this.#give(node.name, input, gradient);
      },
      target: (input) => {
        expectInput(input);
        return this.#target(input);
      },
      soFar: (input) => (input instanceof Parameter ? undefined : this.#gradients.get(input.id)),
      replace: (input, gradient) => this.#replace(input, this.#gradients.get(input.id)!, gradient),
      saved: (tensor) => {
        if (!node.saved.includes(tensor)) throw new Error(`${node.name} reads a tensor that it did not save`);
        const known = restored.get(tensor) ?? this.#saved.restore(tensor);
        restored.set(tensor, known);
        return known;
      },
    };
    const scope = device.memory.openScope();
    try {
      if (node.root || incoming.some((gradient) => gradient !== undefined)) node.backward(incoming, into);
      node.outputs.forEach(({ id }, i) => {
        const gradient = incoming[i];
        if (gradient === undefined || held.has(id)) return;
        gradients.delete(id);
        device.memory.release(gradient.slice.storage);
      });
      this.#nodes.pop();
      this.#releaseNode(node);
    } finally {
      // An exception may have left scopes open inside this one.
      device.memory.closeDownTo(scope);
    }
  }

  /** Empties the tape without a backward pass and frees the memory it holds. May be called any number of times. */
  discard(): void {
    for (const node of this.#nodes) this.#releaseNode(node);
    this.#nodes = [];
    this.#parameters.clear();
    for (const { device, slice } of this.#gradients.values()) device.memory.release(slice.storage);
    this.#gradients.clear();
  }

  /** {@link discard}, for `using`. */
  [Symbol.dispose](): void {
    this.discard();
  }

  #releaseNode({ saved, exact }: Node): void {
    for (const tensor of saved) this.#saved.release(tensor);
    for (const { device, slice } of exact) device.memory.release(slice.storage);
  }

  #give(operation: string, input: Tensor, gradient: Tensor): void {
    expectTensor(operation, 'a gradient', gradient, 'f32', input.shape);
    if (!input.requiresGrad) return;
    const { device } = input;
    if (input instanceof Parameter) {
      addScaled(device, { x: gradient.slice, out: input.gradient, count: input.size, alpha: 1 });
      return;
    }
    const existing = this.#gradients.get(input.id);
    if (existing === undefined) {
      device.memory.retain(gradient.slice.storage);
      this.#gradients.set(input.id, gradient);
    } else if (existing.slice.storage.references === 1) {
      addScaled(device, { x: gradient.slice, out: existing.slice, count: input.size, alpha: 1 });
    } else {
      // The memory also serves as another tensor's gradient, so the sum goes elsewhere.
      const sum = empty(device, input.shape);
      binary(device, { operation: 'add', a: existing.slice, b: gradient.slice, out: sum.slice, count: input.size });
      this.#replace(input, existing, sum);
    }
  }

  #target(input: Tensor): { slice: BufferSlice; accumulate: boolean } {
    if (input instanceof Parameter) return { slice: input.gradient, accumulate: true };
    const { device } = input;
    const existing = this.#gradients.get(input.id);
    if (existing?.slice.storage.references === 1) return { slice: existing.slice, accumulate: true };
    const fresh = empty(device, input.shape);
    if (existing === undefined) {
      device.memory.retain(fresh.slice.storage);
      this.#gradients.set(input.id, fresh);
      return { slice: fresh.slice, accumulate: false };
    }
    device.recorder.copy(existing.slice, fresh.slice);
    this.#replace(input, existing, fresh);
    return { slice: fresh.slice, accumulate: true };
  }

  #replace(input: Tensor, old: Tensor, replacement: Tensor): void {
    const { memory } = input.device;
    memory.retain(replacement.slice.storage);
    memory.release(old.slice.storage);
    this.#gradients.set(input.id, replacement);
  }
}

/** Moves the tape's hold on a gradient to the enclosing scope, which returns it at its end. */
function adopt({ device, slice }: Tensor): void {
  device.memory.adopt(slice.storage);
}

/**
 * Runs `body` without keeping its intermediate results. The backward pass runs it again to recompute them, which trades
 * compute for memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). The second run starts from
 * the inputs as the tape stored them, and its own intermediate results are f32 and freed at once.
 *
 * @param inputs tensors of any dtype; gradients flow to those that require one.
 * @param body must depend on nothing but its inputs and parameters, and give the same f32 result both times.
 * @returns the result of `body`.
 * @throws InputError for a result of integers while a tape records; whatever `body` throws.
 */
export function checkpoint(device: Device, inputs: readonly Tensor[], body: (...inputs: Tensor[]) => Tensor): Tensor {
  const used = new Set(trainedOf(inputs));
  const outer = noted;
  // Inside the first run of another checkpoint, that one takes note.
  if (active) noted = used;
  let output: Tensor;
  try {
    output = tidy(device, () => withoutTape(() => body(...inputs)));
  } finally {
    noted = outer;
  }
  const parameters = [...used];
  // Parameters inside `body` may want gradients even when no input does, so the node is recorded in any case.
  active?.push({
    name: 'checkpoint',
    outputs: [output],
    saved: inputs,
    exact: [],
    root: false,
    parameters,
    backward: ([gradient], into) => {
      const copies = inputs.map((input) => {
        const { slice } = into.saved(input);
        const copy = new Tensor(input.device, slice, input.shape, input.dtype);
        copy.requiresGrad = input.requiresGrad;
        return copy;
      });
      const tape = new Tape();
      // In a scope of its own: else what the tape does not need would stay until the backward has ended.
      const again = tape.record(() => tidy(device, () => body(...copies)));
      for (const parameter of tape.parameters) {
        if (!used.has(parameter)) throw new Error(`the first run of a checkpoint did not use ${parameter.name}`);
      }
      tape.backward([[again, gradient!]], copies).forEach((result, i) => {
        if (result) into.give(inputs[i]!, result);
      });
    },
  });
  return output;
}
