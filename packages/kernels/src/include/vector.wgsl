// The unit in which a kernel reads its arrays: four elements where counts allow it (VECTOR), else one. Declarations
// bind these arrays as `Value`, so that a kernel over elements and over vectors of four is one declaration of one text.
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
