// A seeded permutation π of 0 … rows − 1 without a table: out[b, j] = π(first + b·batchSize + j) for j < batchSize, the
// batches `stride` apart; 0xffffffff where a batch is padded or the rows have ended.
//
// A Feistel network over leftBits + rightBits bits, the fewest that hold rows − 1, walked until it gives a number below
// rows (Black & Rogaway 2002, "Ciphers with arbitrary finite domains"): fewer than two walks on average. Its round
// function is the finalizer of MurmurHash3 over the other half and the round's key.
#include invocations

fn scramble(value: u32) -> u32 {
  var x = (value ^ (value >> 16u)) * 0x85ebca6bu;
  x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
  return x ^ (x >> 16u);
}

fn encipher(value: u32) -> u32 {
  let leftMask = (1u << parameters.leftBits) - 1u;
  let rightMask = (1u << parameters.rightBits) - 1u;
  var left = value >> parameters.rightBits;
  var right = value & rightMask;
#for r in 0..4
  left ^= scramble(right ^ parameters.key${2 * r}) & leftMask;
  right ^= scramble(left ^ parameters.key${2 * r + 1}) & rightMask;
#endfor
  return (left << parameters.rightBits) | right;
}

fn run(place: u32) {
  if (place >= parameters.batches * parameters.stride) { return; }
  let inBatch = place % parameters.stride;
  let position = parameters.first + (place / parameters.stride) * parameters.batchSize + inBatch;
  if (inBatch >= parameters.batchSize || position >= parameters.rows) {
    out[place] = 0xffffffffu;
    return;
  }
  var row = encipher(position);
  // The walk follows the cycle that `position` lies on, so it ends there at the latest.
  while (row >= parameters.rows) { row = encipher(row); }
  out[place] = row;
}
