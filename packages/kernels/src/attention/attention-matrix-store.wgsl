// At the end of a kernel: gives the vectors of sum_{c} to storeSum, by way of workgroup memory. `outFirst` is the row of the
// arrays' first token.
#for c in 0..COLUMNS
  workgroupBarrier(); // All have read what is overwritten.
  subgroupMatrixStore<row_major>(&scores, subgroup * RESULT, sum_${c}, UNIT_N / 4);
  workgroupBarrier();
  for (var e = lane; e < RESULT; e += SUBGROUP_SIZE) {
    let token = blockStart + share.row + e / (UNIT_N / 4);
    let part = (share.part * COLUMNS + ${c}) * (UNIT_N / 4) + e % (UNIT_N / 4);
    if (token <= blockLast && part < VECTORS) {
      storeSum(share.product, (outFirst + token) * ownStride + ownHead, part, scores[subgroup * RESULT + e]);
    }
  }
#endfor
