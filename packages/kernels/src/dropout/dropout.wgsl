// Inverted dropout (Srivastava et al. 2014): out[i] = x[i] / (1 − p) where element i is kept, else 0; x, out [count]. The
// backward is the same kernel on the gradient.
// ACCUMULATE: out += in place of out =.
#include vector
#include dropout-mask
#include values

fn run(block: u32) {
  let factors = select(vec4<f32>(0.0), vec4<f32>(parameters.scale), kept(block));
#if VECTOR
#if ACCUMULATE
  out[block] += factors * x[block];
#else
  out[block] = factors * x[block];
#endif
#else
#for i in 0..4
  if (block * 4u + ${i}u < parameters.count) {
#if ACCUMULATE
    out[block * 4u + ${i}u] += factors[${i}] * x[block * 4u + ${i}u];
#else
    out[block * 4u + ${i}u] = factors[${i}] * x[block * 4u + ${i}u];
#endif
  }
#endfor
#endif
}
