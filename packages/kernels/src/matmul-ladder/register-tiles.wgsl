// Step 5, register tiles: as step 4, but an invocation computes 4 rows of 4 columns. n is a multiple of 4.
//
// It reads a vec4 of a, four rows, and a vec4 of b for sixteen multiplications: eight values for sixteen, where step 4 read
// five for four. The sixteen sums stay in registers. This is what the multiplications of most GPUs without matrix units
// are made of; the kernels in use (../matmul/matmul-tiled.wgsl, ../matmul/matmul-software.wgsl) differ in what they bind and in tiles.
const ROWS = 4 * TILE; // of a workgroup
const COLUMNS = 4 * TILE;
const STRIDE = TILE + 1; // as in step 3, in vec4
const WORKGROUP_SIZE = TILE * TILE;

var<workgroup> tileA: array<vec4<f32>, TILE * STRIDE>; // [inner, four rows]
var<workgroup> tileB: array<vec4<f32>, TILE * TILE>; // [inner, four columns]

fn loadA(row: u32, inner: u32) -> f32 {
  if (row >= parameters.m || inner >= parameters.k) { return 0.0; }
  return a[row * parameters.k + inner];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let tile = workgroup.x + workgroup.y * grid.x;
  let tilesAcross = (parameters.n + COLUMNS - 1) / COLUMNS;
  let quads = parameters.n / 4;
  let x = local % TILE;
  let y = local / TILE;
  let row = tile / tilesAcross * ROWS + 4 * y; // the first of four
  let quad = tile % tilesAcross * TILE + x;
#for r in 0..4
  var sum_${r} = vec4<f32>();
#endfor
  for (var slab = 0u; slab < parameters.k; slab += TILE) {
    let inner = slab + x;
    tileA[x * STRIDE + y] = vec4(loadA(row, inner), loadA(row + 1, inner), loadA(row + 2, inner), loadA(row + 3, inner));
    var valuesB = vec4<f32>();
    if (slab + y < parameters.k && quad < quads) { valuesB = b[(slab + y) * quads + quad]; }
    tileB[y * TILE + x] = valuesB;
    workgroupBarrier();
    for (var i = 0u; i < TILE; i++) {
      let rows = tileA[i * STRIDE + y];
      let columns = tileB[i * TILE + x];
#for r in 0..4
      sum_${r} = fma(vec4<f32>(rows[${r}]), columns, sum_${r});
#endfor
    }
    workgroupBarrier();
  }
#for r in 0..4
  if (row + ${r} < parameters.m && quad < quads) { out[(row + ${r}) * quads + quad] = sum_${r}; }
#endfor
}
