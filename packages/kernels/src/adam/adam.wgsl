// One step of Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019) with torch.optim's arithmetic; all [count]:
//   g ← gradientScale·gradient (+ weightDecay·value, coupled only);  value ← keep·value (decoupled: 1 − lr·weightDecay)
//   m ← β1·m + (1 − β1)·g;  v ← β2·v + (1 − β2)·g²
//   value ← value − stepSize·m / (√v·inverseRootCorrection + ε)
// stepSize = lr / (1 − β1^t) and inverseRootCorrection = 1 / √(1 − β2^t) come from the host, in float64. CONTROLLED: both
// corrections and a factor of the gradient come from `control`. Nothing changes where a factor is 0.
#include vector
#include values

fn run(i: u32) {
#if SCALED
  if (gradientScale[0] == 0.0) { return; }
#endif
#if CONTROLLED
  if (control[0] == 0.0) { return; }
  let stepSize = parameters.stepSize * control[1];
  let inverseRootCorrection = parameters.inverseRootCorrection * control[2];
#else
  let stepSize = parameters.stepSize;
  let inverseRootCorrection = parameters.inverseRootCorrection;
#endif
  let old = value[i];
  var g = gradient[i];
#if SCALED
  g *= gradientScale[0];
#endif
#if CONTROLLED
  g *= control[0];
#endif
  g += parameters.coupledDecay * old;
  let m = parameters.beta1 * firstMoment[i] + parameters.oneMinusBeta1 * g;
  let v = parameters.beta2 * secondMoment[i] + parameters.oneMinusBeta2 * (g * g);
  firstMoment[i] = m;
  secondMoment[i] = v;
  value[i] = parameters.keep * old
    - stepSize * m / (sqrt(v) * inverseRootCorrection + Value(parameters.epsilon));
}
