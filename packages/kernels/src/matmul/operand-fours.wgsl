// How products read their operands by the four, and what dropout leaves of them. Kernels that include this have the bindings
// and parameters of matmul, and VECTOR, TRANSPOSE_A and TRANSPOSE_B.
//
// Values beyond the last row or column may be read (clamped by WebGPU) and only feed sums that are never stored; beyond
// the end of the inner range they count as zero. DROPOUT_A, DROPOUT_B: elements of the operand that a mask does not keep
// count as zero too; both need VECTOR.
#include vector
#include operand-b
#if DROPOUT_A || DROPOUT_B
#include dropout-mask
#endif

/// The first `count` of four values, then zeros.
fn firstOf(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}

/// Four values of a from (row, inner) on, neighbors along the contiguous axis.
fn fourOfA(row: u32, inner: u32, innerEnd: u32) -> vec4<f32> {
  if (row >= parameters.rows || inner >= innerEnd) { return vec4<f32>(); }
#if TRANSPOSE_A
  let at = parameters.aOffset + inner * parameters.aStride + row;
#else
  let at = parameters.aOffset + row * parameters.aStride + inner;
#endif
#if DROPOUT_A
  return select(vec4<f32>(), a[at / 4u], kept(at / 4u));
#else
#if VECTOR
  return a[at / 4u];
#else
  let values = vec4<f32>(a[at], a[at + 1u], a[at + 2u], a[at + 3u]);
#if TRANSPOSE_A
  return values;
#else
  return firstOf(values, innerEnd - inner);
#endif
#endif
#endif
}

/// Four values of b from (inner, column) on. Quantized rows are filled up to whole fours, which are read as such.
fn fourOfB(inner: u32, column: u32, innerEnd: u32) -> vec4<f32> {
  if (column >= parameters.columns || inner >= innerEnd) { return vec4<f32>(); }
#if TRANSPOSE_B
  let at = parameters.bOffset + column * parameters.bStride + inner;
#else
  let at = parameters.bOffset + inner * parameters.bStride + column;
#endif
#if QUANTIZED
  let values = quantizedB(at / 4u);
#else
#if DROPOUT_B
  let values = select(vec4<f32>(), b[at / 4u], kept(at / 4u));
#else
#if VECTOR
  let values = b[at / 4u];
#else
  let values = vec4<f32>(b[at], b[at + 1u], b[at + 2u], b[at + 3u]);
#endif
#endif
#endif
#if TRANSPOSE_B && !VECTOR
  return firstOf(values, innerEnd - inner);
#else
  return values;
#endif
}
