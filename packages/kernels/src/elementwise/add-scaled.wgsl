// out[i] += alpha · x[i], in place; both [count].
#include vector
#include values

fn run(i: u32) {
  out[i] += parameters.alpha * x[i];
}
