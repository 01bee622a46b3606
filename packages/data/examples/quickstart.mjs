// Builds MovieLens-1M from (here: invented) source text and walks over a shuffled epoch in batches.
import { batchRows, buildMl1m, memorySource, shuffledRows, summarizeDataset } from '@crossgate/data';

const source = memorySource({
  'movies.dat': '1::Alpha (1990)::Drama\n2::Beta (1991)::Comedy\n3::Gamma (1992)::War\n',
  'ratings.dat': '7::1::5::1000000000\n7::2::2::1000000060\n7::3::4::1030000000\n8::3::5::1000000120\n',
});
const dataset = await buildMl1m(source);
console.log(JSON.stringify(summarizeDataset(dataset)));

const { train } = dataset.splits;
for (const rows of batchRows(shuffledRows(train.rows, 42, 0), 2)) {
  for (const row of rows) {
    const titles = [...dataset.history('train', row, 10)].map((item) => dataset.items[item].title);
    console.log(dataset.items[train.item[row]].title, train.label[row], 'after', titles);
  }
}
