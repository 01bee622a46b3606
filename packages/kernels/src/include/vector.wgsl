// The unit in which a kernel reads its arrays: four elements where counts allow it, else one.
#if VECTOR
alias Value = vec4<f32>;
#else
alias Value = f32;
#endif

/// Sum of the elements of a value.
fn total(value: Value) -> f32 {
#if VECTOR
  return (value.x + value.y) + (value.z + value.w);
#else
  return value;
#endif
}
