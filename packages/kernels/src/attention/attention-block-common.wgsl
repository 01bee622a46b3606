// Attention for GPUs with registers to spare for part of a row only: a workgroup shares the rows of a block.
//
// It has BLOCK neighboring tokens of one head, its own rows (queries; keys in the pass for keys and values), and walks the
// rows of the other side by tiles of BLOCK. Two products alternate, both of operands that are staged in workgroup memory:
//   scores [own, other] = own rows · other rows, summed over the head (attention-block-scores);
//   sums [own, head] += weights [own, other] · other rows, summed over the tile (attention-block-sums).
// Invocations lie in GROUPS x COLUMNS. In both products one of them has ROWS of the own rows, group, group + GROUPS, …:
// what concerns a row alone, such as a maximum, passes from one product to the other in registers. Of the scores it has four
// neighboring columns, from 4 · column; of the sums PARTS vectors of four, column, column + COLUMNS, …. So the registers that
// an invocation needs are bounded by WORKGROUP_SIZE, however long the head, and each value that is read from workgroup memory
// serves several multiplications.
//
// A kernel includes this text, then the other two inside its loop over tiles. It declares `ownN` and `otherN`, operands of the
// PAIRS scores that it needs, and `summedN`, right operands of its SUMS sums; all take a row of an array and a vector of it.
#include attention-common
const BLOCK = 32;
const COLUMNS = 8;
const GROUPS = WORKGROUP_SIZE / COLUMNS;
/// Vectors of each row that are staged at a time for scores, one more between rows: neighbors then lie in other banks.
const CHUNK = 4;
const CHUNK_STRIDE = CHUNK + 1;
/// Vectors of a row of sums, those that pad the head included.
const WIDTH = PARTS * COLUMNS;
/// Vectors from one row of weights to the next, one more than it has.
const WEIGHT_STRIDE = BLOCK / 4 + 1;

/// Operands of the product at hand: CHUNK vectors of BLOCK own and BLOCK other rows, or STAGED whole other rows, which fit too.
var<workgroup> staged: array<vec4<f32>, 2 * BLOCK * CHUNK_STRIDE>;
/// Weights of each sum, [SUMS, own, other].
var<workgroup> weights: array<vec4<f32>, SUMS * BLOCK * WEIGHT_STRIDE>;
