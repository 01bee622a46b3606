// Attention by matrix units: operands rounded to f16, sums in f32.
//
// As in attention-block-common, a workgroup has BLOCK neighboring tokens of one head, its own rows (queries; keys in the pass
// for keys and values), and walks the rows of the other side by tiles of STEP. Two products alternate:
//   scores [own, other] = own rows · other rows, PAIRS of them: queries by keys, and gradients of the output by values;
//   sums [own, head] += weights [own, other] · other rows, SUMS of them.
// Which invocation holds which element of a matrix is the driver's secret. So scores lie in workgroup memory between the
// products, where invocations make weights of them: each of four neighboring columns, `column`, in the rows group,
// group + GROUPS, …. And sums stay as they are until the end: weights must need no factor that is known later.
//
// A matrix unit multiplies [UNIT_M, UNIT_K] by [UNIT_K, UNIT_N]. Of the scores a subgroup computes SCORES of its results side
// by side, of the sums COLUMNS. Where these do not divide a head, columns behind its end are computed too and left.
//
// A kernel declares `own0` and, for two PAIRS, `own1`; `other0` and `other1`, by which they are multiplied. All take a row of
// an array and a vector of it. Sum i adds rows of other i, in the forward pass of other1. `storeSum` takes a vector of a sum.
#include attention-common

const WORKGROUP_SIZE = SUBGROUPS * SUBGROUP_SIZE;
const ROW_UNITS = BLOCK / UNIT_M;
const QUADS = STEP / 4;
const GROUPS = WORKGROUP_SIZE / QUADS;
/// Subgroups that share the columns of a row of scores, and of a row of sums.
const SCORE_PARTS = SUBGROUPS / (PAIRS * ROW_UNITS);
const SUM_PARTS = SUBGROUPS / (SUMS * ROW_UNITS);
/// Vectors from row to row, with some that nobody uses: they put what is accessed together into different banks.
const LINE = SUM_PARTS * COLUMNS * UNIT_N / 4 + 2;
const SCORE_LINE = QUADS + 1;
const WEIGHT_LINE = QUADS + 2;
const RESULT = UNIT_M * UNIT_N / 4; // vectors

/// Rows of the own side, [PAIRS, BLOCK], and a tile of the other, [2, STEP].
var<workgroup> own: array<vec4<f16>, PAIRS * BLOCK * LINE>;
var<workgroup> other: array<vec4<f16>, 2 * STEP * LINE>;
/// [PAIRS, BLOCK, STEP]; in the end a result of each subgroup.
var<workgroup> scores: array<vec4<f32>, PAIRS * BLOCK * SCORE_LINE>;
/// [SUMS, BLOCK, STEP]
var<workgroup> weights: array<vec4<f16>, SUMS * BLOCK * WEIGHT_LINE>;

/// What a subgroup computes: of which product, from which own row on, and which part of the columns.
struct Share { product: u32, row: u32, part: u32 }
fn shareOf(subgroup: u32, parts: u32) -> Share {
  return Share(subgroup / (parts * ROW_UNITS), subgroup / parts % ROW_UNITS * UNIT_M, subgroup % parts);
}

/// Which of four numbers lie between two, both included.
fn between(numbers: vec4<u32>, first: u32, last: u32) -> vec4<bool> {
  return (numbers >= vec4<u32>(first)) & (numbers <= vec4<u32>(last));
}

/// Copies the own rows, whose last one stands for those beyond it.
fn stageOwn(blockStart: u32, blockLast: u32, stride: u32, head: u32, local: u32) {
  for (var i = 0u; i < u32(BLOCK * VECTORS); i += u32(WORKGROUP_SIZE)) {
    let row = (i + local) / u32(VECTORS);
    let part = (i + local) % u32(VECTORS);
    if (row < BLOCK) {
      let source = min(blockStart + row, blockLast) * stride + head;
#for pair in 0..PAIRS
      own[(${pair} * BLOCK + row) * LINE + part] = vec4<f16>(own${pair}(source, part));
#endfor
    }
  }
}

#for operand in 0..2
/// Copies a tile of rows of the other side from `first` on, as stageOwn does.
fn stageOther${operand}(first: u32, last: u32, stride: u32, head: u32, local: u32) {
  for (var i = 0u; i < u32(STEP * VECTORS); i += u32(WORKGROUP_SIZE)) {
    let row = (i + local) / u32(VECTORS);
    let part = (i + local) % u32(VECTORS);
    if (row < STEP) {
      other[(${operand} * STEP + row) * LINE + part] =
        vec4<f16>(other${operand}(min(first + row, last) * stride + head, part));
    }
  }
}
#endfor

fn multiplyScores(subgroup: u32) {
  let share = shareOf(subgroup, SCORE_PARTS);
  let ownRow = share.product * BLOCK + share.row;
  let column = share.part * SCORES * UNIT_N;
#for c in 0..SCORES
  var score_${c}: subgroup_matrix_result<f32, UNIT_N, UNIT_M>;
#endfor
  for (var k = 0u; k < VECTORS; k += UNIT_K / 4) {
    let left = subgroupMatrixLoad<subgroup_matrix_left<f16, UNIT_K, UNIT_M>, row_major>(&own, ownRow * LINE + k, LINE);
#for c in 0..SCORES
    let right_${c} = subgroupMatrixLoad<subgroup_matrix_right<f16, UNIT_N, UNIT_K>, col_major>(
      &other, (share.product * STEP + column + ${c} * UNIT_N) * LINE + k, LINE);
    score_${c} = subgroupMatrixMultiplyAccumulate(left, right_${c}, score_${c});
#endfor
  }
#for c in 0..SCORES
  subgroupMatrixStore<row_major>(
    &scores, ownRow * SCORE_LINE + (column + ${c} * UNIT_N) / 4, score_${c}, SCORE_LINE);
#endfor
}

/// Copies a tile of the other side and leaves its scores in workgroup memory. Without `both`, other1 is not copied.
fn scoreTile(first: u32, last: u32, stride: u32, head: u32, both: bool, local: u32, subgroup: u32) {
  workgroupBarrier(); // All have read the tile before, and the weights made of it.
  stageOther0(first, last, stride, head, local);
  if (both) { stageOther1(first, last, stride, head, local); }
  workgroupBarrier();
  multiplyScores(subgroup);
  workgroupBarrier();
}
