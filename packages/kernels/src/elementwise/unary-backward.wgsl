// gradX[i] (+)= scale · f'(x[i]) · gradOut[i] for the activation f; all [count].
#include activations
#include values

fn run(i: u32) {
  let gradient = parameters.scale * activationDerivative(x[i]) * gradOut[i];
#if ACCUMULATE
  gradX[i] += gradient;
#else
  gradX[i] = gradient;
#endif
}
