// out[i] = value; out [count].
#include vector
#include values

fn run(i: u32) {
  out[i] = Value(parameters.value);
}
