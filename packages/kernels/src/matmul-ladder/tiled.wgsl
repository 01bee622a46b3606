// Steps 2 and 3, tiled and padded: out[m, n] = a[m, k] · b[k, n] by tiles in workgroup memory.
//
// A workgroup computes TILE x TILE elements, an invocation one of them. It walks the inner axis in slabs of TILE positions:
// the invocations copy a tile of a and one of b into workgroup memory, wait, and read each value TILE times from there. So
// memory is read TILE times less than in step 1.
//
// The tile of a is stored with its rows side by side, [inner, STRIDE], as later steps want to read four rows at once.
// With STRIDE = TILE, neighboring invocations then write words that lie TILE apart, which are in few of the 32 banks that
// workgroup memory has on most GPUs: the writes wait for each other. STRIDE = TILE + 1, padding that nobody reads, puts
// them into different banks.
const WORKGROUP_SIZE = TILE * TILE;

var<workgroup> tileA: array<f32, TILE * STRIDE>; // [inner, row]
var<workgroup> tileB: array<f32, TILE * TILE>; // [inner, column]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let tile = workgroup.x + workgroup.y * grid.x;
  let tilesAcross = (parameters.n + TILE - 1) / TILE;
  let x = local % TILE;
  let y = local / TILE;
  let row = tile / tilesAcross * TILE + y;
  let column = tile % tilesAcross * TILE + x;
  var sum = 0.0;
  for (var slab = 0u; slab < parameters.k; slab += TILE) {
    var valueA = 0.0;
    if (row < parameters.m && slab + x < parameters.k) { valueA = a[row * parameters.k + slab + x]; }
    var valueB = 0.0;
    if (slab + y < parameters.k && column < parameters.n) { valueB = b[(slab + y) * parameters.n + column]; }
    tileA[x * STRIDE + y] = valueA;
    tileB[y * TILE + x] = valueB;
    workgroupBarrier();
    for (var i = 0u; i < TILE; i++) { sum = fma(tileA[i * STRIDE + y], tileB[i * TILE + x], sum); }
    workgroupBarrier();
  }
  if (row < parameters.m && column < parameters.n) { out[row * parameters.n + column] = sum; }
}
