// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out), for GPUs, with tiles in workgroup memory.
//
// A workgroup of THREADS x THREADS invocations computes a tile of ROWS·THREADS rows and COLUMNS·THREADS columns; each
// invocation owns ROWS x COLUMNS elements that lie THREADS apart, so that neighbors read neighboring words of workgroup
// memory and store neighboring words of the result. The inner axis is walked in slabs of SLAB positions.
//
// Shapes: a is [rows, inner], or [inner, rows] when TRANSPOSE_A; b is [inner, columns], or [columns, inner] when
// TRANSPOSE_B; strides are in elements. Elements beyond an edge count as zero. The inner range is divided into `splits`
// parts; part s writes at s · splitStride, to be summed by matmul-split-sum.
#include vector
#include operand-b

const TILE_ROWS = ROWS * THREADS;
const TILE_COLUMNS = COLUMNS * THREADS;
const WORKGROUP_SIZE = THREADS * THREADS;

var<workgroup> tileA: array<f32, SLAB * TILE_ROWS>; // [SLAB, TILE_ROWS]
var<workgroup> tileB: array<f32, SLAB * TILE_COLUMNS>; // [SLAB, TILE_COLUMNS]

fn loadA(row: u32, inner: u32, innerEnd: u32) -> f32 {
  if (row >= parameters.rows || inner >= innerEnd) { return 0.0; }
#if TRANSPOSE_A
  return a[parameters.aOffset + inner * parameters.aStride + row];
#else
  return a[parameters.aOffset + row * parameters.aStride + inner];
#endif
}

fn loadB(inner: u32, column: u32, innerEnd: u32) -> f32 {
  if (column >= parameters.columns || inner >= innerEnd) { return 0.0; }
#if TRANSPOSE_B
  return valueB(parameters.bOffset + column * parameters.bStride + inner);
#else
  return valueB(parameters.bOffset + inner * parameters.bStride + column);
#endif
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
  let uniformTile = index % parameters.uniformTiles;
  let rest = index / parameters.uniformTiles;
  let split = rest / parameters.laneTiles;
  if (split >= parameters.splits) { return; }
  let rowFirst = uniformTile * TILE_ROWS;
  let columnFirst = (rest % parameters.laneTiles) * TILE_COLUMNS;
  let innerFirst = split * parameters.innerPerSplit;
  let innerEnd = min(innerFirst + parameters.innerPerSplit, parameters.inner);
  let threadRow = local / THREADS;
  let threadColumn = local % THREADS;

#for r in 0..ROWS
#for c in 0..COLUMNS
  var sum_${r}_${c} = 0.0;
#endfor
#endfor

  for (var slab = innerFirst; slab < innerEnd; slab += SLAB) {
    // Neighboring invocations load along the contiguous axis of each operand.
#for i in 0..SLAB * ROWS / THREADS
    {
      let e = local + ${i}u * WORKGROUP_SIZE;
#if TRANSPOSE_A
      let r = e % TILE_ROWS;
      let k = e / TILE_ROWS;
#else
      let r = e / SLAB;
      let k = e % SLAB;
#endif
      tileA[k * TILE_ROWS + r] = loadA(rowFirst + r, slab + k, innerEnd);
    }
#endfor
#for i in 0..SLAB * COLUMNS / THREADS
    {
      let e = local + ${i}u * WORKGROUP_SIZE;
#if TRANSPOSE_B
      let c = e / SLAB;
      let k = e % SLAB;
#else
      let c = e % TILE_COLUMNS;
      let k = e / TILE_COLUMNS;
#endif
      tileB[k * TILE_COLUMNS + c] = loadB(slab + k, columnFirst + c, innerEnd);
    }
#endfor
    workgroupBarrier();
    for (var k = 0u; k < SLAB; k++) {
#for r in 0..ROWS
      let a_${r} = tileA[k * TILE_ROWS + threadRow + ${r}u * THREADS];
#endfor
#for c in 0..COLUMNS
      let b_${c} = tileB[k * TILE_COLUMNS + threadColumn + ${c}u * THREADS];
#for r in 0..ROWS
      sum_${r}_${c} = fma(a_${r}, b_${c}, sum_${r}_${c});
#endfor
#endfor
    }
    workgroupBarrier();
  }

#for r in 0..ROWS
  {
    let row = rowFirst + threadRow + ${r}u * THREADS;
    let outBase = split * parameters.splitStride + parameters.outOffset + row * parameters.outStride;
#for c in 0..COLUMNS
    {
      let column = columnFirst + threadColumn + ${c}u * THREADS;
      if (row < parameters.rows && column < parameters.columns) {
        var value = parameters.alpha * sum_${r}_${c};
#if BIAS
        value += bias[column];
#endif
#if ACCUMULATE
        value += out[outBase + column];
#endif
        out[outBase + column] = value;
      }
    }
#endfor
  }
#endfor
}
