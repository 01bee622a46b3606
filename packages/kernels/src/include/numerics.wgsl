// Logistic function and softplus that neither overflow nor lose the small side.

/// 1 / (1 + e^-x), with full relative precision for very negative x.
fn logistic(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

/// log(1 + e) for e in [0, 1], by log(1 + e) = 2 artanh(e / (2 + e)): precise where 1 + e would round to 1.
/// The argument of artanh is at most 1/3, so the first term left out is below 1e-9 of the result.
fn logOnePlus(e: f32) -> f32 {
  let t = e / (2.0 + e);
  let s = t * t;
  let series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0
    + s * (1.0 / 11.0 + s * (1.0 / 13.0 + s * (1.0 / 15.0)))))));
  return 2.0 * t * series;
}

/// log(1 + e^x)
fn softplus(x: f32) -> f32 {
  return max(x, 0.0) + logOnePlus(exp(-abs(x)));
}

/// log(e^a + e^b)
fn logAddExp(a: f32, b: f32) -> f32 {
  return max(a, b) + logOnePlus(exp(-abs(a - b)));
}
