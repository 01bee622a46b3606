// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out), for GPUs, with tiles in workgroup memory.
//
// A workgroup of THREADS x COLUMN_THREADS invocations computes a tile of ROWS·THREADS rows and COLUMNS·COLUMN_THREADS
// columns. Each invocation owns ROWS x COLUMNS elements, by fours: four neighbors, then the four that lie 4·THREADS (or
// 4·COLUMN_THREADS) further. So one instruction reads four values of a tile or stores four of the result, and neighbors
// store neighboring fours.
//
// The inner axis is walked in slabs of SLAB positions. Tiles hold rows (columns) side by side, [inner, STRIDE]. An
// invocation copies a block of four inner positions and four rows, as four vec4 along the operand's contiguous axis. If
// that is the inner axis, it turns the block, and neighbors write words that lie some STRIDEs apart. A STRIDE has one
// vec4 of padding, which nobody reads: it puts these words into different banks of workgroup memory.
//
// Shapes: a is [rows, inner], or [inner, rows] when TRANSPOSE_A; b is [inner, columns], or [columns, inner] when
// TRANSPOSE_B; strides are in elements. VECTOR: a Value is four elements along the contiguous axis, and every
// contiguous extent, stride and offset is a multiple of 4. The inner range is divided into parts of innerPerSplit; each
// writes a matrix of its own, to be summed by matmul-split-sum.
#include operand-fours

const WORKGROUP_SIZE = THREADS * COLUMN_THREADS;
const TILE_ROWS = ROWS * THREADS;
const TILE_COLUMNS = COLUMNS * COLUMN_THREADS;
const ROW_FOURS = ROWS * THREADS / 4; // of a tile
const COLUMN_FOURS = COLUMNS * COLUMN_THREADS / 4;
const STRIDE_A = ROW_FOURS + 1; // in vec4
const STRIDE_B = COLUMN_FOURS + 1;
const BLOCKS_A = ROW_FOURS * SLAB / 4; // with those of b at most WORKGROUP_SIZE
const BLOCKS_B = COLUMN_FOURS * SLAB / 4;

var<workgroup> tileA: array<vec4<f32>, SLAB * STRIDE_A>; // [inner, four rows]
var<workgroup> tileB: array<vec4<f32>, SLAB * STRIDE_B>; // [inner, four columns]

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
  let rowTiles = (parameters.rows + TILE_ROWS - 1u) / TILE_ROWS;
  let columnTiles = (parameters.columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
  let rowFirst = index % rowTiles * TILE_ROWS;
  let columnFirst = index / rowTiles % columnTiles * TILE_COLUMNS;
  let split = index / rowTiles / columnTiles;
  let innerFirst = split * parameters.innerPerSplit;
  if (innerFirst >= parameters.inner) { return; }
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
      let b_${c} = tileB[k * STRIDE_B + threadColumn + ${c}u * COLUMN_THREADS];
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
      let column = columnFirst + 4u * (threadColumn + ${c}u * COLUMN_THREADS);
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
