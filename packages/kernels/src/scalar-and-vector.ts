/** Kernels that read their arrays one by one or in fours, by the include `vector`. */

/** The element type of a binding is part of a kernel, so scalars and vectors are two kernels of one text. */
export function scalarAndVector<K>(name: string, declare: (name: string, type: string) => K) {
  return { scalar: declare(name, 'f32'), vector: declare(`${name}-vec4`, 'vec4<f32>') };
}
