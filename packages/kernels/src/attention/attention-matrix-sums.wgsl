// Inside a loop over tiles, after the weights are written: adds the tile's rows, weighted, to the results sum_{c} of the
// subgroup's `share`.
    workgroupBarrier(); // Weights are complete.
    for (var k = 0u; k < STEP; k += UNIT_K) {
      let left = subgroupMatrixLoad<subgroup_matrix_left<f16, UNIT_K, UNIT_M>, row_major>(
        &weights, (share.product * BLOCK + share.row) * WEIGHT_LINE + k / 4, WEIGHT_LINE);
#for c in 0..COLUMNS
      let right_${c} = subgroupMatrixLoad<subgroup_matrix_right<f16, UNIT_N, UNIT_K>, row_major>(
        &other, ((${FORWARD} + share.product) * STEP + k) * LINE + (share.part * COLUMNS + ${c}) * UNIT_N / 4, LINE);
      sum_${c} = subgroupMatrixMultiplyAccumulate(left, right_${c}, sum_${c});
#endfor
    }
