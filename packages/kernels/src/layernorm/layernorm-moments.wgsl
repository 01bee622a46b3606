// Mean and 1 / sqrt(variance + epsilon) of a row, for the body of a kernel: reads x, start, first, stride and local.
  var sum = Value();
  for (var c = first; c < parameters.width; c += stride) { sum += x[start + c]; }
#if ROW_PER_INVOCATION
  let mean = total(sum) / parameters.columns;
#else
  let mean = workgroupSum(local, total(sum)) / parameters.columns;
#endif
  var squares = Value();
  for (var c = first; c < parameters.width; c += stride) {
    let difference = x[start + c] - mean;
    squares = fma(difference, difference, squares);
  }
#if ROW_PER_INVOCATION
  let inverse = 1.0 / sqrt(total(squares) / parameters.columns + parameters.epsilon);
#else
  let inverse = 1.0 / sqrt(workgroupSum(local, total(squares)) / parameters.columns + parameters.epsilon);
#endif
