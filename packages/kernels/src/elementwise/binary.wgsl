// out[i] = a[i] ∘ b[i], ∘ one of add, subtract, multiply; all [count].
#include vector
#include values

fn run(i: u32) {
#if OPERATION == ADD
  out[i] = a[i] + b[i];
#else
#if OPERATION == SUBTRACT
  out[i] = a[i] - b[i];
#else
  out[i] = a[i] * b[i];
#endif
#endif
}
