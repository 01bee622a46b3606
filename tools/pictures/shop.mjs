// A small invented shop: people who like tea, people who like bicycles, and what they bought.

const tea = ['Kettle', 'Teapot', 'Cups', 'Honey', 'Scones', 'Jam', 'Green tea', 'Black tea', 'Saucers', 'Strainer'];
const bicycles = ['Saddle', 'Chain', 'Pump', 'Bell', 'Lamp', 'Pedals', 'Helmet', 'Gloves', 'Lock', 'Bottle'];
const people = 40;

/** The two CSV files by name. @returns {Map<string, string>} */
export function shopFiles() {
  // A linear congruential generator (Numerical Recipes), the same everywhere.
  let state = 7;
  const below = (/** @type {number} */ limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const titles = [...tea, ...bicycles];
  const rows = ['user,item,rating,timestamp'];
  for (let person = 1; person <= people; person++) {
    const likesTea = person % 2 === 0;
    const left = [...titles.keys()];
    for (let n = 0; n < 8; n++) {
      // Three in four are to the person's own taste.
      const own = left.filter((item) => item < tea.length === likesTea);
      const pool = below(4) > 0 ? own : left;
      const item = /** @type {number} */ (pool[below(pool.length)]);
      left.splice(left.indexOf(item), 1);
      const rating = item < tea.length === likesTea ? 4 + below(2) : 1 + below(3);
      rows.push(`person-${person},sku-${item + 1},${rating},${1_700_000_000 + 86_400 * n + 60 * person}`);
    }
  }
  const items = ['item,title', ...titles.map((title, item) => `sku-${item + 1},${title}`)];
  return new Map([
    ['interactions.csv', `${rows.join('\n')}\n`],
    ['items.csv', `${items.join('\n')}\n`],
  ]);
}
