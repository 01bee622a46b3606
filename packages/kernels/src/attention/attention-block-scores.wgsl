// Inside a loop over tiles: adds to score{pair}_{r}_{j} the product of the invocation's own row r and the tile's row
// 4 · column + j, for each pair of operands. Needs group, column, local; blockStart, blockLast, ownStride and ownHead, which
// place the own rows; first, otherLast, otherStride and otherHead for the tile. Rows beyond a last one repeat it.
#for pair in 0..PAIRS
    for (var chunk = 0u; chunk < u32(VECTORS); chunk += u32(CHUNK)) {
      workgroupBarrier(); // All have read what was staged before.
      for (var e = local; e < u32(BLOCK * CHUNK); e += u32(WORKGROUP_SIZE)) {
        let row = e / u32(CHUNK);
        let part = chunk + e % u32(CHUNK);
        // Row 4 · column + j is put at j · COLUMNS + column: what is read at the same time then lies side by side.
        let place = BLOCK + row % 4u * COLUMNS + row / 4u;
        var own = vec4<f32>();
        var other = vec4<f32>();
        if (part < u32(VECTORS)) {
          own = own${pair}(min(blockStart + row, blockLast) * ownStride + ownHead, part);
          other = other${pair}(min(first + row, otherLast) * otherStride + otherHead, part);
        }
        staged[row * CHUNK_STRIDE + e % u32(CHUNK)] = own;
        staged[place * CHUNK_STRIDE + e % u32(CHUNK)] = other;
      }
      workgroupBarrier();
      for (var d = 0u; d < u32(CHUNK); d++) {
#for j in 0..4
        let other${j} = staged[(BLOCK + ${j} * COLUMNS + column) * CHUNK_STRIDE + d];
#endfor
#for r in 0..ROWS
        let own${r} = staged[(group + ${r} * GROUPS) * CHUNK_STRIDE + d];
#for j in 0..4
        score${pair}_${r}_${j} = dotOnto(own${r}, other${j}, score${pair}_${r}_${j});
#endfor
#endfor
      }
    }
#endfor
