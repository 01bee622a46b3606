/** A small shop whose ids and titles hold what formats must escape, with users and items that come after train. */
import { folderWith } from '@crossgate/testing/node';

/** Titles that break careless writers. */
export const titles: readonly string[] = [
  'Plain',
  'Comma, "quote"',
  'Two\nlines',
  '=1+1',
  'Tab\tand \\back\\slash',
  "O'Hara; DROP TABLE vectors; --",
  'Ünïcode 🎬',
  '\\N',
  '\\.',
  'Late',
  'Unloved',
];

/** Attribute `kind` of item i0, i1, i2 and so on in turn. */
const kinds = ['Tea', 'Bike', 'Pen'];

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

/**
 * A folder with the data set `shop` and the configs NAME.yaml. Users u0 … u7 have rows in train; "late, user" and item
 * i9 come after it; nobody likes i10.
 * @param methods NAME: lines of YAML that follow `method` and `data`
 */
export function shopWith(methods: Readonly<Record<string, string>>): Promise<string> {
  const rows = Array.from({ length: 40 }, (_, n) => {
    const [user, item] = [n % 8, (n * 3 + Math.floor(n / 8)) % 9];
    return `u${user},i${item},${(user + item) % 3 === 0 ? 0 : 1},${n}`;
  });
  const late = ['"late, user",i9,1,90', 'u1,i9,1,91', '"late, user",i10,0,92', 'u2,i10,0,93'];
  return folderWith({
    'shop/interactions.csv': `user,item,label,timestamp\n${[...rows, ...late].join('\n')}\n`,
    'shop/items.csv': `item,title,kind\n${titles.map((title, item) => `i${item},${quoted(title)},${kinds[item % 3]}\n`).join('')}`,
    ...Object.fromEntries(
      Object.entries(methods).map(([name, text]) => [
        `${name}.yaml`,
        `method: ${name.split('-')[0]}\ndata: { name: csv, path: shop, csv: { attributes: [kind] }, split: { by: time, validFrom: 40, testFrom: 90 } }\nevaluation: { splits: [test] }\n${text}`,
      ]),
    ),
  });
}

/** Training that takes a moment. */
export const quick = (model: string, more = '') =>
  `cf: { model: ${model}, cfDim: 6, initStd: 0.5, learningRate: 0.05, batchSize: 16, epochs: 3, selectBy: last${more} }\n`;
