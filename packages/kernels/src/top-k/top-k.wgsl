// The k best of a part of the items for each user, without the matrix of scores:
//   score(u, i) = Σ_c users[u, c] · items[i, c] + bias[i]
// for users [users, columns] and the items [itemRows, columns] that are bound, item 0 of which is item `firstItem` of the
// whole table. An invocation goes through one part of them for one user, TILE items at a time, and keeps the best in a
// heap of its own: scores and ids [users, parts, k], counts [users, parts]. Items with a score of −1e29 or less (the mask
// of those that may not be given), and those in excluded[excludedOffsets[u]] … (ascending) are passed over.
#include vector
#include heap
#include invocations

fn is_excluded(user: u32, id: u32) -> bool {
  var low = excludedOffsets[user];
  let end = excludedOffsets[user + 1u];
  var high = end;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (excluded[middle] < id) { low = middle + 1u; } else { high = middle; }
  }
  return low < end && excluded[low] == id;
}

fn run(index: u32) {
  // Neighbors work on the same items for different users.
  let user = index % parameters.users;
  let part = index / parameters.users;
  if (part >= parameters.ownParts) { return; }
  let heap = user * parameters.parts + parameters.firstPart + part;
  let base = heap * parameters.k;
  let vector = user * parameters.valuesPerRow;
  let begin = part * parameters.partItems;
  let end = min(begin + parameters.partItems, parameters.itemRows);
  var size = 0u;
  // The root is compared before the heap is touched: hardly any item gets into it.
  var worstScore = -1e29;
  for (var item = begin; item < end; item += u32(TILE)) {
#for t in 0..TILE
    var sum${t} = Value(0.0);
    let row${t} = min(item + ${t}u, end - 1u) * parameters.valuesPerRow;
#endfor
    for (var c = 0u; c < parameters.valuesPerRow; c++) {
      let x = users[vector + c];
#for t in 0..TILE
      sum${t} += x * items[row${t} + c];
#endfor
    }
#for t in 0..TILE
    if (item + ${t}u < end) {
      let score = total(sum${t}) + bias[item + ${t}u];
      let id = parameters.firstItem + item + ${t}u;
      // Ids ascend, so a tie with the worst is lost.
      if (score > worstScore && !is_excluded(user, id)) {
        size = offer(base, size, score, id);
        if (size == parameters.k) { worstScore = scores[base]; }
      }
    }
#endfor
  }
  counts[heap] = size;
}
