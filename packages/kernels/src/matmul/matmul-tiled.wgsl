// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out), for GPUs, with tiles in workgroup memory.
//
// A workgroup of THREADS x THREADS invocations computes a tile of ROWS·THREADS rows and COLUMNS·THREADS columns. Each
// invocation owns ROWS x COLUMNS elements, by fours: four neighbors, then the four that lie 4·THREADS further. So one
// instruction reads four values of a tile or stores four of the result, and neighbors store neighboring fours.
//
// The inner axis is walked in slabs of SLAB positions. Tiles hold rows (columns) side by side, [inner, STRIDE]. An
// invocation copies a block of four inner positions and four rows, as four vec4 along the operand's contiguous axis. If
// that is the inner axis, it turns the block, and neighbors write words that lie some STRIDEs apart. A STRIDE has one
// vec4 of padding, which nobody reads: it puts these words into different banks of workgroup memory.
//
// Shapes: a is [rows, inner], or [inner, rows] when TRANSPOSE_A; b is [inner, columns], or [columns, inner] when
// TRANSPOSE_B; strides are in elements. VECTOR: a Value is four elements along the contiguous axis, and every
// contiguous extent, stride and offset is a multiple of 4. The inner range is divided into `splits` parts; part s
// writes at s · splitStride, to be summed by matmul-split-sum.
//
// Values beyond the last row or column may be read (clamped by WebGPU) and only feed sums that are never stored; beyond
// the end of the inner range they count as zero.
#include vector
#include operand-b

const WORKGROUP_SIZE = THREADS * THREADS;
const ROW_FOURS = ROWS * THREADS / 4; // of a tile
const COLUMN_FOURS = COLUMNS * THREADS / 4;
const STRIDE_A = ROW_FOURS + 1; // in vec4
const STRIDE_B = COLUMN_FOURS + 1;
const BLOCKS_A = ROW_FOURS * SLAB / 4; // with those of b at most WORKGROUP_SIZE
const BLOCKS_B = COLUMN_FOURS * SLAB / 4;

var<workgroup> tileA: array<vec4<f32>, SLAB * STRIDE_A>; // [inner, four rows]
var<workgroup> tileB: array<vec4<f32>, SLAB * STRIDE_B>; // [inner, four columns]

/// The first `count` of four values, then zeros.
fn firstOf(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}

/// Four values of a from (row, inner) on, neighbors along the contiguous axis.
fn fourOfA(row: u32, inner: u32, innerEnd: u32) -> vec4<f32> {
  if (row >= parameters.rows || inner >= innerEnd) { return vec4<f32>(); }
#if TRANSPOSE_A
  let at = parameters.aOffset + inner * parameters.aStride + row;
#else
  let at = parameters.aOffset + row * parameters.aStride + inner;
#endif
#if VECTOR
  return a[at / 4u];
#else
  let values = vec4<f32>(a[at], a[at + 1u], a[at + 2u], a[at + 3u]);
#if TRANSPOSE_A
  return values;
#else
  return firstOf(values, innerEnd - inner);
#endif
#endif
}

/// Four values of b from (inner, column) on. Quantized rows are filled up to whole fours, which are read as such.
fn fourOfB(inner: u32, column: u32, innerEnd: u32) -> vec4<f32> {
  if (column >= parameters.columns || inner >= innerEnd) { return vec4<f32>(); }
#if TRANSPOSE_B
  let at = parameters.bOffset + column * parameters.bStride + inner;
#else
  let at = parameters.bOffset + inner * parameters.bStride + column;
#endif
#if QUANTIZED
  let values = quantizedB(at / 4u);
#else
#if VECTOR
  let values = b[at / 4u];
#else
  let values = vec4<f32>(b[at], b[at + 1u], b[at + 2u], b[at + 3u]);
#endif
#endif
#if TRANSPOSE_B && !VECTOR
  return firstOf(values, innerEnd - inner);
#else
  return values;
#endif
}

// Copying a block: where rows are contiguous, neighbors load neighboring fours. Where the inner axis is, two neighbors
// load 32 bytes of a row together, and eight write to eight different places in the banks.

fn copyA(block: u32, rowFirst: u32, slab: u32, innerEnd: u32) {
#if TRANSPOSE_A
  let four = block % ROW_FOURS;
  let k = block / ROW_FOURS * 4u;
#for j in 0..4
  tileA[(k + ${j}u) * STRIDE_A + four] = fourOfA(rowFirst + 4u * four, slab + k + ${j}u, innerEnd);
#endfor
#else
  let four = block / 2u % 4u + block / SLAB * 4u;
  let k = block % 2u * 4u + block / 8u % (SLAB / 8u) * 8u;
#for j in 0..4
  let values_${j} = fourOfA(rowFirst + 4u * four + ${j}u, slab + k, innerEnd);
#endfor
#for j in 0..4
  tileA[(k + ${j}u) * STRIDE_A + four] = vec4<f32>(values_0[${j}], values_1[${j}], values_2[${j}], values_3[${j}]);
#endfor
#endif
}

fn copyB(block: u32, columnFirst: u32, slab: u32, innerEnd: u32) {
#if TRANSPOSE_B
  let four = block / 2u % 4u + block / SLAB * 4u;
  let k = block % 2u * 4u + block / 8u % (SLAB / 8u) * 8u;
#for j in 0..4
  let values_${j} = fourOfB(slab + k, columnFirst + 4u * four + ${j}u, innerEnd);
#endfor
#for j in 0..4
  tileB[(k + ${j}u) * STRIDE_B + four] = vec4<f32>(values_0[${j}], values_1[${j}], values_2[${j}], values_3[${j}]);
#endfor
#else
  let four = block % COLUMN_FOURS;
  let k = block / COLUMN_FOURS * 4u;
#for j in 0..4
  tileB[(k + ${j}u) * STRIDE_B + four] = fourOfB(slab + k + ${j}u, columnFirst + 4u * four, innerEnd);
#endfor
#endif
}

#include store-result

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
  let uniformTile = index % parameters.uniformTiles;
  let rest = index / parameters.uniformTiles;
  let split = rest / parameters.laneTiles;
  if (split >= parameters.splits) { return; }
  let rowFirst = uniformTile * ROWS * THREADS;
  let columnFirst = (rest % parameters.laneTiles) * COLUMNS * THREADS;
  let innerFirst = split * parameters.innerPerSplit;
  let innerEnd = min(innerFirst + parameters.innerPerSplit, parameters.inner);
  // Eight neighbors lie along columns, so 32 read from 4 places of one tile and 8 of the other.
  let threadRow = local / 8u % THREADS;
  let threadColumn = local % 8u + local / (8u * THREADS) * 8u;

#for r in 0..ROWS
#for c in 0..COLUMNS / 4
  var sum_${r}_${c} = vec4<f32>();
#endfor
#endfor

  for (var slab = innerFirst; slab < innerEnd; slab += SLAB) {
    if (local < BLOCKS_A) {
      copyA(local, rowFirst, slab, innerEnd);
    } else if (local < BLOCKS_A + BLOCKS_B) {
      copyB(local - BLOCKS_A, columnFirst, slab, innerEnd);
    }
    workgroupBarrier();
    for (var k = 0u; k < SLAB; k++) {
#for r in 0..ROWS / 4
      let a_${r} = tileA[k * STRIDE_A + threadRow + ${r}u * THREADS];
#endfor
#for c in 0..COLUMNS / 4
      let b_${c} = tileB[k * STRIDE_B + threadColumn + ${c}u * THREADS];
#for r in 0..ROWS
      sum_${r}_${c} = fma(vec4<f32>(a_${r / 4}[${r % 4}]), b_${c}, sum_${r}_${c});
#endfor
#endfor
    }
    workgroupBarrier();
  }

#for r in 0..ROWS
  {
    let row = rowFirst + 4u * (threadRow + ${r / 4}u * THREADS) + ${r % 4}u;
#for c in 0..COLUMNS / 4
    {
      let column = columnFirst + 4u * (threadColumn + ${c}u * THREADS);
#if VECTOR
      store(row, column, split, sum_${r}_${c});
#else
#for j in 0..4
      store(row, column + ${j}u, split, sum_${r}_${c}[${j}]);
#endfor
#endif
    }
#endfor
  }
#endfor
}
