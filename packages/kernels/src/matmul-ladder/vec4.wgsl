// Step 4, vec4: as step 3, but an invocation computes four neighboring columns. n is a multiple of 4.
//
// b and out are arrays of vec4: one instruction moves 16 bytes, from memory and from workgroup memory. An invocation reads
// one value of a and one vec4 of b for four multiplications; in step 3 these were eight reads.
const COLUMNS = 4 * TILE; // of a workgroup
const WORKGROUP_SIZE = TILE * TILE;

var<workgroup> tileA: array<f32, TILE * STRIDE>; // [inner, row]
var<workgroup> tileB: array<vec4<f32>, TILE * TILE>; // [inner, four columns]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let tile = workgroup.x + workgroup.y * grid.x;
  let tilesAcross = (parameters.n + COLUMNS - 1) / COLUMNS;
  let quads = parameters.n / 4; // of a row of b and out
  let x = local % TILE;
  let y = local / TILE;
  let row = tile / tilesAcross * TILE + y;
  let quad = tile % tilesAcross * TILE + x;
  var sum = vec4<f32>();
  for (var slab = 0u; slab < parameters.k; slab += TILE) {
    var valueA = 0.0;
    if (row < parameters.m && slab + x < parameters.k) { valueA = a[row * parameters.k + slab + x]; }
    var valuesB = vec4<f32>();
    if (slab + y < parameters.k && quad < quads) { valuesB = b[(slab + y) * quads + quad]; }
    tileA[x * STRIDE + y] = valueA;
    tileB[y * TILE + x] = valuesB;
    workgroupBarrier();
    for (var i = 0u; i < TILE; i++) { sum = fma(vec4<f32>(tileA[i * STRIDE + y]), tileB[i * TILE + x], sum); }
    workgroupBarrier();
  }
  if (row < parameters.m && quad < quads) { out[row * quads + quad] = sum; }
}
