// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out) by matrix units: operands rounded to f16, sums in f32.
//
// SUBGROUP_ROWS x SUBGROUP_COLUMNS subgroups of a workgroup compute ROWS x COLUMNS elements each, in accumulators of
// UNIT_M x UNIT_N. A matrix unit multiplies [UNIT_M, UNIT_K] by [UNIT_K, UNIT_N] at once.
//
// The inner axis is walked in slabs of SLAB positions. Tiles hold halves in the order of the operand, as lines along its
// contiguous axis: [row, inner] or, with TRANSPOSE_A, [inner, row], and the same for b. So copying turns nothing; a tile
// that lies the other way round is loaded column by column. Lines have 8 halves of padding, which nobody reads: they put
// what is read together into different banks of workgroup memory.
//
// The fours of the next slab are fetched into registers before the products of this one begin, so that memory works while
// the matrix units do. They are fetched as they are stored and rounded when they are put into a tile: to round at once
// would be to wait for them. Quantized values are decoded as they are fetched.
//
// Shapes, strides, VECTOR and parts of the inner range are as in matmul-tiled, dropout as in operand-fours. Values beyond the
// last row, the last column and the end of the inner range count as zero. Halves hold at most 65,504; larger values become
// infinite.
#include vector
#include operand-b
#if DROPOUT_A || DROPOUT_B
#include dropout-mask
#endif

const WORKGROUP_SIZE = SUBGROUP_ROWS * SUBGROUP_COLUMNS * SUBGROUP_SIZE;
const TILE_ROWS = SUBGROUP_ROWS * ROWS;
const TILE_COLUMNS = SUBGROUP_COLUMNS * COLUMNS;
#if TRANSPOSE_A
const LINES_A = SLAB;
const FOURS_A = TILE_ROWS / 4; // of a line
#else
const LINES_A = TILE_ROWS;
const FOURS_A = SLAB / 4;
#endif
#if TRANSPOSE_B
const LINES_B = TILE_COLUMNS;
const FOURS_B = SLAB / 4;
#else
const LINES_B = SLAB;
const FOURS_B = TILE_COLUMNS / 4;
#endif
const STRIDE_A = FOURS_A + 2; // in fours
const STRIDE_B = FOURS_B + 2;
const ACCUMULATOR = UNIT_M * UNIT_N; // in elements

var<workgroup> tileA: array<vec4<f16>, LINES_A * STRIDE_A>;
var<workgroup> tileB: array<vec4<f16>, LINES_B * STRIDE_B>;
/// An accumulator of each subgroup, on its way out.
var<workgroup> results: array<vec4<f32>, SUBGROUP_ROWS * SUBGROUP_COLUMNS * ACCUMULATOR / 4>;

/// Four neighbors of b as they are fetched. HALVES: as they are stored.
#if HALVES
alias FetchedB = vec2<u32>;
#else
alias FetchedB = vec4<f32>;
#endif

/// The first `count` of four values, then zeros.
fn firstOf(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}

/// Number `i` of the fours of a that this invocation copies: neighbors copy neighboring fours of a line.
fn fetchA(i: u32, local: u32, rowFirst: u32, slab: u32, innerEnd: u32) -> vec4<f32> {
  let line = (local + i * WORKGROUP_SIZE) / FOURS_A;
  let four = (local + i * WORKGROUP_SIZE) % FOURS_A * 4u;
#if TRANSPOSE_A
  let row = rowFirst + four;
  let inner = slab + line;
  let at = parameters.aOffset + inner * parameters.aStride + row;
#else
  let row = rowFirst + line;
  let inner = slab + four;
  let at = parameters.aOffset + row * parameters.aStride + inner;
#endif
  if (row >= parameters.rows || inner >= innerEnd) { return vec4<f32>(); }
#if DROPOUT_A
  return select(vec4<f32>(), a[at / 4u], kept(at / 4u));
#else
#if VECTOR
  return a[at / 4u];
#else
  let values = vec4<f32>(a[at], a[at + 1u], a[at + 2u], a[at + 3u]);
#if TRANSPOSE_A
  return firstOf(values, parameters.rows - row);
#else
  return firstOf(values, innerEnd - inner);
#endif
#endif
#endif
}

/// The same of b, whose quantized rows are filled up to whole fours.
fn fetchB(i: u32, local: u32, columnFirst: u32, slab: u32, innerEnd: u32) -> FetchedB {
  let line = (local + i * WORKGROUP_SIZE) / FOURS_B;
  let four = (local + i * WORKGROUP_SIZE) % FOURS_B * 4u;
#if TRANSPOSE_B
  let column = columnFirst + line;
  let inner = slab + four;
  let at = parameters.bOffset + column * parameters.bStride + inner;
#else
  let column = columnFirst + four;
  let inner = slab + line;
  let at = parameters.bOffset + inner * parameters.bStride + column;
#endif
  if (column >= parameters.columns || inner >= innerEnd) { return FetchedB(); }
#if VECTOR
#if HALVES
  return vec2<u32>(b[at / 2u], b[at / 2u + 1u]);
#else
#if DROPOUT_B
  return select(vec4<f32>(), b[at / 4u], kept(at / 4u));
#else
  return valueB(at / 4u);
#endif
#endif
#else
#if QUANTIZED
  let values = quantizedB(at / 4u);
#else
  let values = vec4<f32>(b[at], b[at + 1u], b[at + 2u], b[at + 3u]);
#endif
#if TRANSPOSE_B
  return firstOf(values, innerEnd - inner);
#else
  return firstOf(values, parameters.columns - column);
#endif
#endif
}

fn placeA(i: u32, local: u32, values: vec4<f32>) {
  let line = (local + i * WORKGROUP_SIZE) / FOURS_A;
  let four = (local + i * WORKGROUP_SIZE) % FOURS_A;
  tileA[line * STRIDE_A + four] = vec4<f16>(values);
}

fn placeB(i: u32, local: u32, values: FetchedB) {
  let line = (local + i * WORKGROUP_SIZE) / FOURS_B;
  let four = (local + i * WORKGROUP_SIZE) % FOURS_B;
#if HALVES
  tileB[line * STRIDE_B + four] = bitcast<vec4<f16>>(values);
#else
  tileB[line * STRIDE_B + four] = vec4<f16>(values);
#endif
}

#include store-result

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
  let rowTiles = (parameters.rows + TILE_ROWS - 1u) / TILE_ROWS;
  let columnTiles = (parameters.columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
  let rowFirst = index % rowTiles * TILE_ROWS;
  let columnFirst = index / rowTiles % columnTiles * TILE_COLUMNS;
  let split = index / rowTiles / columnTiles;
  let innerFirst = split * parameters.innerPerSplit;
  if (innerFirst >= parameters.inner) { return; }
  let innerEnd = min(innerFirst + parameters.innerPerSplit, parameters.inner);
  let ownRow = subgroup / SUBGROUP_COLUMNS * ROWS;
  let ownColumn = subgroup % SUBGROUP_COLUMNS * COLUMNS;

#for r in 0..ROWS / UNIT_M
#for c in 0..COLUMNS / UNIT_N
  var sum_${r}_${c}: subgroup_matrix_result<f32, UNIT_N, UNIT_M>;
#endfor
#endfor
#for i in 0..ROWS * SLAB / 4 / SUBGROUP_COLUMNS / SUBGROUP_SIZE
  var a_${i} = fetchA(${i}u, local, rowFirst, innerFirst, innerEnd);
#endfor
#for i in 0..COLUMNS * SLAB / 4 / SUBGROUP_ROWS / SUBGROUP_SIZE
  var b_${i} = fetchB(${i}u, local, columnFirst, innerFirst, innerEnd);
#endfor

  for (var slab = innerFirst; slab < innerEnd; slab += SLAB) {
#for i in 0..ROWS * SLAB / 4 / SUBGROUP_COLUMNS / SUBGROUP_SIZE
    placeA(${i}u, local, a_${i});
#endfor
#for i in 0..COLUMNS * SLAB / 4 / SUBGROUP_ROWS / SUBGROUP_SIZE
    placeB(${i}u, local, b_${i});
#endfor
    workgroupBarrier();
#for i in 0..ROWS * SLAB / 4 / SUBGROUP_COLUMNS / SUBGROUP_SIZE
    a_${i} = fetchA(${i}u, local, rowFirst, slab + SLAB, innerEnd);
#endfor
#for i in 0..COLUMNS * SLAB / 4 / SUBGROUP_ROWS / SUBGROUP_SIZE
    b_${i} = fetchB(${i}u, local, columnFirst, slab + SLAB, innerEnd);
#endfor
#for k in 0..SLAB / UNIT_K
    {
#for c in 0..COLUMNS / UNIT_N
#if TRANSPOSE_B
      let right_${c} = subgroupMatrixLoad<subgroup_matrix_right<f16, UNIT_N, UNIT_K>, col_major>(
        &tileB, (ownColumn + ${c}u * UNIT_N) * STRIDE_B + ${k}u * UNIT_K / 4u, STRIDE_B);
#else
      let right_${c} = subgroupMatrixLoad<subgroup_matrix_right<f16, UNIT_N, UNIT_K>, row_major>(
        &tileB, ${k}u * UNIT_K * STRIDE_B + (ownColumn + ${c}u * UNIT_N) / 4u, STRIDE_B);
#endif
#endfor
#for r in 0..ROWS / UNIT_M
      {
#if TRANSPOSE_A
        let left = subgroupMatrixLoad<subgroup_matrix_left<f16, UNIT_K, UNIT_M>, col_major>(
          &tileA, ${k}u * UNIT_K * STRIDE_A + (ownRow + ${r}u * UNIT_M) / 4u, STRIDE_A);
#else
        let left = subgroupMatrixLoad<subgroup_matrix_left<f16, UNIT_K, UNIT_M>, row_major>(
          &tileA, (ownRow + ${r}u * UNIT_M) * STRIDE_A + ${k}u * UNIT_K / 4u, STRIDE_A);
#endif
#for c in 0..COLUMNS / UNIT_N
        sum_${r}_${c} = subgroupMatrixMultiplyAccumulate(left, right_${c}, sum_${r}_${c});
#endfor
      }
#endfor
    }
#endfor
    workgroupBarrier();
  }

  // Which lane holds which element of an accumulator is the driver's secret: each finds its own in workgroup memory.
#for r in 0..ROWS / UNIT_M
#for c in 0..COLUMNS / UNIT_N
  subgroupMatrixStore<row_major>(&results, subgroup * ACCUMULATOR / 4u, sum_${r}_${c}, UNIT_N / 4u);
  workgroupBarrier();
  for (var e = lane * WIDTH; e < ACCUMULATOR; e += SUBGROUP_SIZE * WIDTH) {
    let at = subgroup * ACCUMULATOR + e;
#if VECTOR
    let sum = results[at / 4u];
#else
    let sum = results[at / 4u][at % 4u];
#endif
    store(rowFirst + ownRow + ${r}u * UNIT_M + e / UNIT_N, columnFirst + ownColumn + ${c}u * UNIT_N + e % UNIT_N, split, sum);
  }
  workgroupBarrier();
#endfor
#endfor
}
