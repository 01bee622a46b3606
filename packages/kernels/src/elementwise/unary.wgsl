// out[i] = scale · f(x[i]) for the activation f; x and out [count].
#include activations
#include values

fn run(i: u32) {
  out[i] = parameters.scale * activate(x[i]);
}
