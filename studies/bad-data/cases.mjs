// Folders of events that no shop should have and every shop has: what each is, and the text of its files.

const header = 'user,item,rating,timestamp\n';
const items = 'item,title\np,Pins\nq,Quilt\nr,Rope\n';
/** Three users, nine rows, times 1 to 9. */
const good = `${header}a,p,5,1\nb,q,1,2\na,q,2,3\nc,p,4,4\nb,p,5,5\nc,r,1,6\na,r,5,7\nb,r,2,8\nc,q,5,9\n`;
const split = { valid: 0.2, test: 0.2 };

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {Record<string, string>} files
 * @property {object} [options] of `data` in a config; default: a split by time, 60/20/20
 */

/**
 * @param {string} name
 * @param {string} events
 * @param {object} [options]
 * @returns {Case}
 */
const events = (name, events, options) => ({
  name,
  files: { 'interactions.csv': events, 'items.csv': items },
  ...(options && { options }),
});

/** @type {readonly Case[]} */
export const cases = [
  events('what is right, to compare with', good),
  { name: 'no file', files: {} },
  events('an empty file', ''),
  events('a header alone', header),
  events('no header', good.slice(header.length)),
  events('no positives (threshold 5)', good, { threshold: 5, split }),
  events('only positives (threshold 0)', good, { threshold: 0, split }),
  events('one user, split by time', `${header}a,p,5,1\na,q,1,2\na,r,4,3\n`),
  events('one user, leave one out', `${header}a,p,5,1\na,q,1,2\na,r,4,3\n`, { split: { by: 'leave-one-out' } }),
  events('one row', `${header}a,p,5,1\n`),
  events('every row twice', good + good.slice(header.length)),
  events('one pair with both labels', `${good}a,p,1,1\n`),
  events('unsorted times', header + good.slice(header.length).trimEnd().split('\n').reverse().join('\n')),
  events('one moment for all rows', good.replace(/,\d\n/g, ',1\n')),
  events('times in milliseconds', `${good}a,p,5,1700000000000\n`),
  events('a time that is none', `${good}a,p,5,soon\n`),
  events('a negative time', `${good}a,p,5,-4\n`),
  events('an item without a title', `${good}a,zzz,5,10\n`),
  { name: 'no file of titles', files: { 'interactions.csv': good } },
  { name: 'an item with two titles', files: { 'interactions.csv': good, 'items.csv': `${items}p,Again\n` } },
  events('an empty id', `${good} ,p,5,10\n`),
  events('a rating NaN', `${good}a,p,NaN,10\n`),
  events('a rating without end', `${good}a,p,1e999,10\n`),
  events('no rating', `${good}a,p,,10\n`),
  events('neither ratings nor labels', good.replace(/,\d,/g, ',').replace('rating,', '')),
  events('neither, with `csv.implicit`', good.replace(/,\d,/g, ',').replace('rating,', ''), {
    csv: { implicit: true },
    split,
  }),
  events('ids above 2⁵³, one apart', `${good}9007199254740992,p,5,10\n9007199254740993,q,5,11\n`),
  events('ids 1, 01 and 1.0', `${good}1,p,5,10\n01,q,5,11\n1.0,r,5,12\n`),
  events('an id of 300 digits', `${good}${'9'.repeat(300)},p,5,10\n`),
  {
    name: 'CRLF',
    files: { 'interactions.csv': good.replaceAll('\n', '\r\n'), 'items.csv': items.replaceAll('\n', '\r\n') },
  },
  events('a byte order mark', `\uFEFF${good}`),
  events('blank lines, no line end at the end', `${good.replaceAll('\n', '\n\n').trimEnd()}`),
  events('a quote that is never closed', `${good}"a,p,5,10\n`),
  events('a row cut short', `${good}a,p\n`),
  events('a semicolon for a comma', good.replaceAll(',', ';')),
  events('an option that there is not', good, { splits: split }),
  events('a column twice', `user,item,user,rating\na,p,b,5\n`),
  events('filters that leave nothing', good, { filter: { kCore: 4 }, split }),
  events('a split that leaves nothing to train on', good, { split: { validFrom: 0, testFrom: 5 } }),
];

/**
 * Builds every case and says what came of it.
 *
 * @param {Pick<typeof import('@crossgate/data'), 'buildCsv' | 'memorySource' | 'summarizeDataset'>} data
 * @returns {Promise<string>} rows of a Markdown table below its header
 */
export async function tableOfCases({ buildCsv, memorySource, summarizeDataset }) {
  const rows = ['| folder | users, items | rows: train, valid, test | what is said |', '|---|---|---|---|'];
  const cell = (/** @type {string} */ text) =>
    text.replace(/\d{60,}/g, (digits) => `${digits.slice(0, 6)}…`).replaceAll('|', '\\|');
  const hashes = new Map();
  for (const { name, files, options = { split } } of cases) {
    try {
      const dataset = await buildCsv(memorySource(files), options);
      const { users, items, splits } = summarizeDataset(dataset);
      const counts = [splits.train, splits.valid, splits.test].map((part) => part.rows).join(', ');
      const same = hashes.get(dataset.hash);
      hashes.set(dataset.hash, same ?? name);
      const said = [...dataset.warnings, ...(same ? [`the same data set as “${same}”`] : [])];
      rows.push(`| ${cell(name)} | ${users}, ${items} | ${counts} | ${cell(said.join('; ')) || 'nothing'} |`);
    } catch (error) {
      // What is not the user's to put right is a mistake of the program, and shall stop it.
      if (!(error instanceof Error) || error.name !== 'InputError') throw error;
      rows.push(`| ${cell(name)} | – | refused | ${cell(error.message)} |`);
    }
  }
  return rows.join('\n');
}
