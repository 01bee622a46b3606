// Inside a loop over tiles, after the weights are written: adds to sum{s}_{r}_{c} the tile's rows, weighted. Needs the names
// that attention-block-scores needs of the tile.
#for s in 0..SUMS
    for (var stage = 0u; stage < u32(BLOCK); stage += u32(STAGED)) {
      workgroupBarrier(); // All have read what was staged before; weights are complete.
      for (var row = group; row < u32(STAGED); row += u32(GROUPS)) {
        let other = min(first + stage + row, otherLast) * otherStride + otherHead;
#for c in 0..PARTS
        {
          let part = ${c} * COLUMNS + column;
          var summed = vec4<f32>();
          if (part < u32(VECTORS)) { summed = summed${s}(other, part); }
          staged[row * WIDTH + part] = summed;
        }
#endfor
      }
      workgroupBarrier();
      for (var quad = 0u; quad < u32(STAGED); quad += 4u) {
#for r in 0..ROWS
        let weight${r} = weights[(${s} * BLOCK + group + ${r} * GROUPS) * WEIGHT_STRIDE + (stage + quad) / 4u];
#endfor
#for i in 0..4
#for c in 0..PARTS
        {
          let summed = staged[(quad + ${i}u) * WIDTH + ${c} * COLUMNS + column];
#for r in 0..ROWS
          sum${s}_${r}_${c} = fma(vec4<f32>(weight${r}[${i}]), summed, sum${s}_${r}_${c});
#endfor
        }
#endfor
#endfor
      }
    }
#endfor
