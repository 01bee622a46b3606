// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out), for adapters that compute on the CPU.
//
// Each invocation keeps a tile of ROWS x COLUMNS sums in registers; there is no workgroup memory and no barrier, which
// are slow there. The lanes of a workgroup lie along one side of the output (rows when LANES_ON_ROWS, else columns), so
// the other operand's addresses are the same in all lanes and its loads become scalar: with a load about as dear as 20
// fma, that is what makes large tiles fast (outer-product blocking as in Goto and van de Geijn, 2008).
//
// Shapes: a is [rows, inner], or [inner, rows] when TRANSPOSE_A; b is [inner, columns], or [columns, inner] when
// TRANSPOSE_B; strides are in elements. VECTOR: a Value is four elements along the contiguous axis, and every
// contiguous extent, stride and offset is a multiple of 4. INNER_STEP inner positions are consumed per iteration.
// The inner range is divided into parts of innerPerSplit; each writes a matrix of its own, to be summed by matmul-split-sum.
//
// Values beyond the last row or column may be read (clamped by WebGPU) and only feed sums that are never stored.
#include vector
#include operand-b

/// Elements of a value.
const WIDTH = ${1 + 3 * VECTOR};
/// Rows, or columns, that the lanes of a workgroup share.
#if LANES_ON_ROWS
const LANE_EXTENT = ROWS * WORKGROUP_SIZE;
#else
const LANE_EXTENT = COLUMNS * WORKGROUP_SIZE;
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
#if LANES_ON_ROWS
  let uniformTiles = (parameters.columns + COLUMNS - 1u) / COLUMNS;
  let laneTiles = (parameters.rows + LANE_EXTENT - 1u) / LANE_EXTENT;
#else
  let uniformTiles = (parameters.rows + ROWS - 1u) / ROWS;
  let laneTiles = (parameters.columns + LANE_EXTENT - 1u) / LANE_EXTENT;
#endif
  let uniformTile = index % uniformTiles;
  let laneTile = (index / uniformTiles % laneTiles) * WORKGROUP_SIZE + local;
  let split = index / uniformTiles / laneTiles;
#if LANES_ON_ROWS
  let row = laneTile * ROWS;
  let column = uniformTile * COLUMNS;
#else
  let row = uniformTile * ROWS;
  let column = laneTile * COLUMNS;
#endif
  let innerFirst = split * parameters.innerPerSplit;
  if (row >= parameters.rows || column >= parameters.columns || innerFirst >= parameters.inner) { return; }
  let innerEnd = min(innerFirst + parameters.innerPerSplit, parameters.inner);

#if TRANSPOSE_A
  let aBase = (parameters.aOffset + row) / WIDTH;
#else
  let aBase = (parameters.aOffset + row * parameters.aStride) / WIDTH;
#endif
#if TRANSPOSE_B
  let bBase = (parameters.bOffset + column * parameters.bStride) / WIDTH;
#else
  let bBase = (parameters.bOffset + column) / WIDTH;
#endif
  let aStep = parameters.aStride / WIDTH;
  let bStep = parameters.bStride / WIDTH;

#for r in 0..ROWS
#for c in 0..COLUMNS / 4
  var sum_${r}_${c} = vec4<f32>();
#endfor
#endfor

  for (var inner = innerFirst; inner < innerEnd; inner += INNER_STEP) {
    // Vectors along the inner axis are loaded once for all steps of the iteration.
#if VECTOR && !TRANSPOSE_A
#for r in 0..ROWS
    let aLoaded_${r} = a[aBase + ${r}u * aStep + inner / 4u];
#endfor
#endif
#if VECTOR && TRANSPOSE_B
#for c in 0..COLUMNS
    let bLoaded_${c} = valueB(bBase + ${c}u * bStep + inner / 4u);
#endfor
#endif
#for j in 0..INNER_STEP
#if VECTOR && TRANSPOSE_A
#for r in 0..ROWS / 4
    let aLoaded_${r}_${j} = a[aBase + (inner + ${j}u) * aStep + ${r}u];
#endfor
#endif
#for r in 0..ROWS
#if VECTOR
#if TRANSPOSE_A
    let a_${r}_${j} = aLoaded_${r / 4}_${j}[${r % 4}];
#else
    let a_${r}_${j} = aLoaded_${r}[${j}];
#endif
#else
#if TRANSPOSE_A
    let a_${r}_${j} = a[aBase + inner * aStep + ${r}u];
#else
    let a_${r}_${j} = a[aBase + ${r}u * aStep + inner];
#endif
#endif
#endfor
#for c in 0..COLUMNS / 4
#if VECTOR
#if TRANSPOSE_B
    let b_${c}_${j} = vec4<f32>(bLoaded_${4 * c}[${j}], bLoaded_${4 * c + 1}[${j}], bLoaded_${4 * c + 2}[${j}], bLoaded_${4 * c + 3}[${j}]);
#else
    let b_${c}_${j} = valueB(bBase + (inner + ${j}u) * bStep + ${c}u);
#endif
#else
#if TRANSPOSE_B
    let b_${c}_${j} = vec4<f32>(valueB(bBase + ${4 * c}u * bStep + inner), valueB(bBase + ${4 * c + 1}u * bStep + inner),
      valueB(bBase + ${4 * c + 2}u * bStep + inner), valueB(bBase + ${4 * c + 3}u * bStep + inner));
#else
    let b_${c}_${j} = vec4<f32>(valueB(bBase + inner * bStep + ${4 * c}u), valueB(bBase + inner * bStep + ${4 * c + 1}u),
      valueB(bBase + inner * bStep + ${4 * c + 2}u), valueB(bBase + inner * bStep + ${4 * c + 3}u));
#endif
#endif
#for r in 0..ROWS
    sum_${r}_${c} = fma(vec4<f32>(a_${r}_${j}), b_${c}_${j}, sum_${r}_${c});
#endfor
#endfor
#endfor
  }

  let outBase = split * parameters.rows * parameters.columns + parameters.outOffset + row * parameters.outStride + column;
#if VECTOR
#for r in 0..ROWS
  if (row + ${r}u < parameters.rows) {
#for c in 0..COLUMNS / 4
    if (column + ${4 * c}u < parameters.columns) {
      let at = (outBase + ${r}u * parameters.outStride + ${4 * c}u) / 4u;
      var value = parameters.alpha * sum_${r}_${c};
#if BIAS
      value += bias[column / 4u + ${c}u];
#endif
#if ACCUMULATE
      value += out[at];
#endif
      out[at] = value;
    }
#endfor
  }
#endfor
#else
  // A check per element, in a loop: unrolled, this many branches take software adapters seconds to compile.
  var sums: array<f32, ROWS * COLUMNS>;
#for r in 0..ROWS
#for c in 0..COLUMNS
  sums[${r * COLUMNS + c}] = sum_${r}_${c / 4}[${c % 4}];
#endfor
#endfor
  let rowEnd = min(u32(ROWS), parameters.rows - row);
  let columnEnd = min(u32(COLUMNS), parameters.columns - column);
  for (var r = 0u; r < rowEnd; r++) {
    for (var c = 0u; c < columnEnd; c++) {
      let at = outBase + r * parameters.outStride + c;
      var value = parameters.alpha * sums[r * COLUMNS + c];
#if BIAS
      value += bias[column + c];
#endif
#if ACCUMULATE
      value += out[at];
#endif
      out[at] = value;
    }
  }
#endif
}
