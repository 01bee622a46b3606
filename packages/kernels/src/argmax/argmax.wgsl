// Index of the largest element of each row, the lowest index where several are equal. NaN is never larger.
// x [rows, columns]; out [rows]. A workgroup per row: each invocation searches every WORKGROUP_SIZE-th column, the first
// one then compares their results.
var<workgroup> largestValues: array<f32, WORKGROUP_SIZE>;
var<workgroup> largestColumns: array<u32, WORKGROUP_SIZE>;
const LOWEST = -3.4028234663852886e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.x + workgroup.y * grid.x;
  if (row >= parameters.rows) { return; }
  // Past the end: an invocation that found nothing above LOWEST loses every tie.
  var column = parameters.columns;
  var largest = LOWEST;
  for (var c = local; c < parameters.columns; c += u32(WORKGROUP_SIZE)) {
    let value = x[row * parameters.columns + c];
    if (value > largest) {
      largest = value;
      column = c;
    }
  }
  largestValues[local] = largest;
  largestColumns[local] = column;
  workgroupBarrier();
  if (local == 0u) {
    for (var other = 1u; other < u32(WORKGROUP_SIZE); other++) {
      let value = largestValues[other];
      if (value > largest || (value == largest && largestColumns[other] < column)) {
        largest = value;
        column = largestColumns[other];
      }
    }
    // A row of nothing but −∞, LOWEST or NaN: its first column.
    out[row] = select(0u, column, column < parameters.columns);
  }
}
