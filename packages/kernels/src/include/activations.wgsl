// The activation ACTIVATION (one of NONE, RELU, SIGMOID, TANH, SILU) of a Value and its derivative by the input.
#include vector

/// 1 / (1 + e^-x) without overflow.
fn logisticOf(x: Value) -> Value {
  let e = exp(-abs(x));
  return select(e, Value(1.0), x >= Value(0.0)) / (Value(1.0) + e);
}

/// tanh, safe on implementations that compute it from exponentials that overflow.
fn tanhOf(x: Value) -> Value {
  return tanh(clamp(x, Value(-15.0), Value(15.0)));
}

fn activate(x: Value) -> Value {
#if ACTIVATION == RELU
  return max(x, Value(0.0));
#else
#if ACTIVATION == SIGMOID
  return logisticOf(x);
#else
#if ACTIVATION == TANH
  return tanhOf(x);
#else
#if ACTIVATION == SILU
  return x * logisticOf(x);
#else
  return x;
#endif
#endif
#endif
#endif
}

/// ReLU's derivative at 0 is 0, as in torch.
fn activationDerivative(x: Value) -> Value {
#if ACTIVATION == RELU
  return select(Value(0.0), Value(1.0), x > Value(0.0));
#else
#if ACTIVATION == SIGMOID
  return logisticOf(x) * logisticOf(-x);
#else
#if ACTIVATION == TANH
  let t = tanhOf(x);
  return (Value(1.0) - t) * (Value(1.0) + t);
#else
#if ACTIVATION == SILU
  return logisticOf(x) * (Value(1.0) + x * logisticOf(-x));
#else
  return Value(1.0);
#endif
#endif
#endif
#endif
}
