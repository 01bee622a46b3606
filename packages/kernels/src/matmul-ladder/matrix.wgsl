// Steps 6 and 7, matrix units and prefetch: out[m, n] = a[m, k] · b[k, n], operands rounded to f16, sums in f32.
//
// A matrix unit multiplies [M, K] by [K, N] in one instruction of a whole subgroup, with shapes that the adapter names. Four
// subgroups, two by two, each hold BLOCKS x BLOCKS accumulators: with 2 x 2, two pieces of a and two of b serve four
// products. Tiles lie in workgroup memory as halves, their rows padded by 8, for the reason of step 3.
//
// PREFETCH: the values of the next slab are loaded into registers before the products of this one begin, so that memory
// works while the matrix units do. Without it, each waits for the other.
const TILE_ROWS = 2 * BLOCKS * M;
const TILE_COLUMNS = 2 * BLOCKS * N;
const SLAB = 2 * K;
const STRIDE_A = SLAB + 8;
const STRIDE_B = TILE_COLUMNS + 8;
const WORKGROUP_SIZE = 4 * SUBGROUP_SIZE;

var<workgroup> tileA: array<f16, TILE_ROWS * STRIDE_A>; // [row, inner]
var<workgroup> tileB: array<f16, SLAB * STRIDE_B>; // [inner, column]
var<workgroup> results: array<f32, 4 * M * N>; // a block of each subgroup, on its way out

/// Of the tile of a, value `i` that this invocation copies: neighbors copy neighboring values of a row.
fn copyA(i: u32, local: u32, firstRow: u32, slab: u32) -> f32 {
  let row = firstRow + (local + i * WORKGROUP_SIZE) / SLAB;
  let inner = slab + (local + i * WORKGROUP_SIZE) % SLAB;
  if (row >= parameters.m || inner >= parameters.k) { return 0.0; }
  return a[row * parameters.k + inner];
}

/// The same of the tile of b.
fn copyB(i: u32, local: u32, firstColumn: u32, slab: u32) -> f32 {
  let inner = slab + (local + i * WORKGROUP_SIZE) / TILE_COLUMNS;
  let column = firstColumn + (local + i * WORKGROUP_SIZE) % TILE_COLUMNS;
  if (inner >= parameters.k || column >= parameters.n) { return 0.0; }
  return b[inner * parameters.n + column];
}

fn placeA(i: u32, local: u32) -> u32 {
  let e = local + i * WORKGROUP_SIZE;
  return e / SLAB * STRIDE_A + e % SLAB;
}

fn placeB(i: u32, local: u32) -> u32 {
  let e = local + i * WORKGROUP_SIZE;
  return e / TILE_COLUMNS * STRIDE_B + e % TILE_COLUMNS;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = workgroup.x + workgroup.y * grid.x;
  let tilesAcross = (parameters.n + TILE_COLUMNS - 1) / TILE_COLUMNS;
  let firstRow = tile / tilesAcross * TILE_ROWS;
  let firstColumn = tile % tilesAcross * TILE_COLUMNS;
  let ownRow = subgroup / 2 * BLOCKS * M;
  let ownColumn = subgroup % 2 * BLOCKS * N;
#for r in 0..BLOCKS
#for c in 0..BLOCKS
  var sum_${r}_${c}: subgroup_matrix_result<f32, N, M>;
#endfor
#endfor
#if PREFETCH
#for i in 0..BLOCKS * M * K / SUBGROUP_SIZE
  var nextA_${i} = copyA(${i}, local, firstRow, 0);
#endfor
#for i in 0..BLOCKS * K * N / SUBGROUP_SIZE
  var nextB_${i} = copyB(${i}, local, firstColumn, 0);
#endfor
#endif

  for (var slab = 0u; slab < parameters.k; slab += SLAB) {
#for i in 0..BLOCKS * M * K / SUBGROUP_SIZE
#if PREFETCH
    tileA[placeA(${i}, local)] = f16(nextA_${i});
#else
    tileA[placeA(${i}, local)] = f16(copyA(${i}, local, firstRow, slab));
#endif
#endfor
#for i in 0..BLOCKS * K * N / SUBGROUP_SIZE
#if PREFETCH
    tileB[placeB(${i}, local)] = f16(nextB_${i});
#else
    tileB[placeB(${i}, local)] = f16(copyB(${i}, local, firstColumn, slab));
#endif
#endfor
    workgroupBarrier();
#if PREFETCH
#for i in 0..BLOCKS * M * K / SUBGROUP_SIZE
    nextA_${i} = copyA(${i}, local, firstRow, slab + SLAB);
#endfor
#for i in 0..BLOCKS * K * N / SUBGROUP_SIZE
    nextB_${i} = copyB(${i}, local, firstColumn, slab + SLAB);
#endfor
#endif
    for (var inner = 0u; inner < SLAB; inner += K) {
#for r in 0..BLOCKS
      let a_${r} = subgroupMatrixLoad<subgroup_matrix_left<f16, K, M>, row_major>(
        &tileA, (ownRow + ${r} * M) * STRIDE_A + inner, STRIDE_A);
#endfor
#for c in 0..BLOCKS
      let b_${c} = subgroupMatrixLoad<subgroup_matrix_right<f16, N, K>, row_major>(
        &tileB, inner * STRIDE_B + ownColumn + ${c} * N, STRIDE_B);
#endfor
#for r in 0..BLOCKS
#for c in 0..BLOCKS
      sum_${r}_${c} = subgroupMatrixMultiplyAccumulate(a_${r}, b_${c}, sum_${r}_${c});
#endfor
#endfor
    }
    workgroupBarrier();
  }

  // The elements of a matrix lie in lanes as the driver likes: by way of workgroup memory, each finds its place.
#for r in 0..BLOCKS
#for c in 0..BLOCKS
  subgroupMatrixStore<row_major>(&results, subgroup * M * N, sum_${r}_${c}, N);
  workgroupBarrier();
  for (var e = lane; e < M * N; e += SUBGROUP_SIZE) {
    let row = firstRow + ownRow + ${r} * M + e / N;
    let column = firstColumn + ownColumn + ${c} * N + e % N;
    if (row < parameters.m && column < parameters.n) { out[row * parameters.n + column] = results[subgroup * M * N + e]; }
  }
  workgroupBarrier();
#endfor
#endfor
}
