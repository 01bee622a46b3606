// out[rows, columns] = alpha · op(a) · op(b) (+ bias) (+ out), for GPUs, where rows or columns are few: memory that is read
// once limits such a product, so there are no tiles to fill.
//
// The long side is that of rows when LANES_ON_ROWS, else that of columns. A workgroup computes 4 · LANES of it by SHORT of the
// other. Neighboring invocations lie along the long side; the others share the inner axis. An invocation holds four of the
// long side by SHORT, and walks the inner axis in blocks of four positions: of the long side's operand it reads four fours
// along the contiguous axis, so neighbors read 64 bytes or more together. In the end the sums of all invocations are added by
// halves over workgroup memory, in a fixed order.
//
// Shapes, strides and VECTOR are as in matmul-tiled.
#include operand-fours
#include store-result

/// Sums of one half of the invocations, on their way to the other.
var<workgroup> handed: array<vec4<f32>, SHORT * WORKGROUP_SIZE / 2>;

/// Four values along the contiguous axis of the operand of each side.
#if LANES_ON_ROWS
fn fourOfLong(long: u32, inner: u32) -> vec4<f32> { return fourOfA(long, inner, parameters.inner); }
fn fourOfShort(short: u32, inner: u32) -> vec4<f32> { return fourOfB(inner, short, parameters.inner); }
#else
fn fourOfLong(long: u32, inner: u32) -> vec4<f32> { return fourOfB(inner, long, parameters.inner); }
fn fourOfShort(short: u32, inner: u32) -> vec4<f32> { return fourOfA(short, inner, parameters.inner); }
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
#if LANES_ON_ROWS
  let shortTiles = (parameters.columns + SHORT - 1u) / SHORT;
#else
  let shortTiles = (parameters.rows + SHORT - 1u) / SHORT;
#endif
  let short = index % shortTiles * SHORT;
  let long = (index / shortTiles * LANES + local % LANES) * 4u;

#for s in 0..SHORT
  var sum_${s} = vec4<f32>(); // over four of the long side
#endfor
  for (var inner = local / LANES * 4u; inner < parameters.inner; inner += WORKGROUP_SIZE / LANES * 4u) {
    // long_j holds four of the long side at inner position j; short_s four inner positions.
#if LANES_ON_ROWS && !TRANSPOSE_A || !LANES_ON_ROWS && TRANSPOSE_B
#for j in 0..4
    let line_${j} = fourOfLong(long + ${j}u, inner);
#endfor
#for j in 0..4
    let long_${j} = vec4<f32>(line_0[${j}], line_1[${j}], line_2[${j}], line_3[${j}]);
#endfor
#else
#for j in 0..4
    let long_${j} = fourOfLong(long, inner + ${j}u);
#endfor
#endif
#if LANES_ON_ROWS && !TRANSPOSE_B || !LANES_ON_ROWS && TRANSPOSE_A
#for q in 0..(SHORT + 3) / 4
#for j in 0..4
    let across_${q}_${j} = fourOfShort(short + ${4 * q}u, inner + ${j}u);
#endfor
#endfor
#for s in 0..SHORT
    let short_${s} = vec4<f32>(across_${s / 4}_0[${s % 4}], across_${s / 4}_1[${s % 4}], across_${s / 4}_2[${s % 4}], across_${s / 4}_3[${s % 4}]);
#endfor
#else
#for s in 0..SHORT
    let short_${s} = fourOfShort(short + ${s}u, inner);
#endfor
#endif
#for s in 0..SHORT
#for j in 0..4
    sum_${s} = fma(long_${j}, vec4<f32>(short_${s}[${j}]), sum_${s});
#endfor
#endfor
  }

  for (var half = WORKGROUP_SIZE / 2u; half >= LANES; half /= 2u) {
    if (local >= half && local < 2u * half) {
#for s in 0..SHORT
      handed[${s}u * half + local - half] = sum_${s};
#endfor
    }
    workgroupBarrier();
    if (local < half) {
#for s in 0..SHORT
      sum_${s} += handed[${s}u * half + local];
#endfor
    }
    workgroupBarrier();
  }
  if (local >= LANES) { return; }

#if LANES_ON_ROWS
#for l in 0..4
#if VECTOR
#for q in 0..SHORT / 4
  store(long + ${l}u, short + ${4 * q}u, 0u, vec4<f32>(sum_${4 * q}[${l}], sum_${4 * q + 1}[${l}], sum_${4 * q + 2}[${l}], sum_${4 * q + 3}[${l}]));
#endfor
#else
#for s in 0..SHORT
  store(long + ${l}u, short + ${s}u, 0u, sum_${s}[${l}]);
#endfor
#endif
#endfor
#else
#for s in 0..SHORT
#if VECTOR
  store(short + ${s}u, long, 0u, sum_${s});
#else
#for l in 0..4
  store(short + ${s}u, long + ${l}u, 0u, sum_${s}[${l}]);
#endfor
#endif
#endfor
#endif
}
