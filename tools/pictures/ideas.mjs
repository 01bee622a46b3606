// One picture per idea of collaborative filtering, drawn from small examples whose numbers are computed here.
import { box, colors, dark, dot, line, picture, sentences, words } from './shapes.mjs';

/** @type {(value: number) => string} */
const short = (value) => value.toFixed(2).replace(/^(-?)0\./, '$1.');

function splits() {
  // Times of each user's rows in units of the axis, 0 to 100; those of even place are liked.
  const users = [
    ['Ann', [4, 12, 21, 38, 47, 58, 66, 83]],
    ['Ben', [9, 17, 30, 35, 52, 73]],
    ['Cem', [26, 41, 49, 62, 70, 78, 88, 95]],
    ['Dora', [68, 76, 81, 92]],
  ];
  const x = (/** @type {number} */ time) => 90 + 6 * time;
  const [validFrom, testFrom] = [60, 80];
  const parts = [
    box(x(0), 34, x(validFrom) - x(0), 190, 'plain'),
    box(x(validFrom), 34, x(testFrom) - x(validFrom), 190, 'user'),
    box(x(testFrom), 34, x(100) - x(testFrom), 190, 'item'),
    words(x(30), 24, 'train', { bold: true }),
    words(x(70), 24, 'valid', { bold: true }),
    words(x(90), 24, 'test', { bold: true }),
    line(x(0), 240, x(100), 240, { arrow: true }),
    words(x(50), 258, 'time'),
  ];
  users.forEach(([name, times], row) => {
    const y = 62 + 45 * row;
    parts.push(words(80, y + 4, String(name), { anchor: 'end' }));
    for (const [place, time] of /** @type {number[]} */ (times).entries()) {
      parts.push(dot(x(time), y, 'good', place % 2 === 1));
    }
  });
  parts.push(
    ...sentences(
      90,
      284,
      '● liked   ○ not liked. Cem’s last row is predicted from the green dots before it;',
      'Dora has no row in train: all her test rows are cold.',
    ),
  );
  return picture(
    'Splits by time',
    'Rows of four users along time. What lies before the first cut is train, then valid, then test. One user begins after the first cut.',
    314,
    parts,
  );
}

function embeddings() {
  const user = [1.6, 0.9];
  /** @type {[string, number, number][]} */
  const items = [
    ['Tea for Two', 1.9, 0.2],
    ['A Pot of Green', 1.2, 1.5],
    ['Chain and Saddle', -1.1, 1.3],
    ['Hammer, Nail', -1.5, -0.7],
  ];
  const at = (/** @type {number} */ a, /** @type {number} */ b) => /** @type {const} */ ([200 + 80 * a, 160 - 80 * b]);
  const parts = [line(30, 160, 370, 160), line(200, 20, 200, 250)];
  for (const [title, a, b] of items) {
    const [x, y] = at(a, b);
    parts.push(line(200, 160, x, y, { stroke: colors.item[1], arrow: false }), dot(x, y, 'item'));
    parts.push(words(x, y - 12, title));
  }
  const [ux, uy] = at(/** @type {number} */ (user[0]), /** @type {number} */ (user[1]));
  parts.push(line(200, 160, ux, uy, { stroke: colors.user[1], width: 3 }), dot(ux, uy, 'user', false, 8));
  parts.push(words(ux + 12, uy + 5, 'Ann', { anchor: 'start', bold: true }));
  parts.push(words(430, 40, 'Ann · item = logit', { anchor: 'start', bold: true }));
  parts.push(words(700, 40, 'σ(logit)', { anchor: 'end', bold: true }));
  items.forEach(([title, a, b], row) => {
    const logit = a * /** @type {number} */ (user[0]) + b * /** @type {number} */ (user[1]);
    const y = 76 + 40 * row;
    const probability = 1 / (1 + Math.exp(-logit));
    parts.push(words(430, y, title, { anchor: 'start' }), words(610, y, short(logit), { anchor: 'end' }));
    parts.push(box(430, y + 7, 180, 8, 'plain', 4), box(430, y + 7, Math.max(8, 180 * probability), 8, 'good', 4));
    parts.push(words(700, y, short(probability), { anchor: 'end' }));
  });
  parts.push(words(430, 246, 'Near in direction: liked. Against it: not.', { anchor: 'start' }));
  return picture(
    'Embeddings and the dot product',
    'A user and four items as vectors of two numbers. The product of the user with each item is a logit; two are positive, two are negative.',
    266,
    parts,
  );
}

function propagation() {
  const users = ['Ann', 'Ben', 'Cem'];
  const items = ['p', 'q', 'r', 's'];
  const edges = [
    [0, 0],
    [0, 1],
    [1, 1],
    [1, 2],
    [2, 2],
    [2, 3],
  ];
  /** @type {(side: 0 | 1, node: number) => number} */
  const degree = (side, node) => edges.filter((edge) => edge[side] === node).length;
  const weight = (/** @type {number[]} */ [u, i]) =>
    1 / Math.sqrt(degree(0, /** @type {number} */ (u)) * degree(1, /** @type {number} */ (i)));
  // A one at Ann, and how much of it is at each node after every layer.
  let [atUsers, atItems] = [users.map((_, u) => Number(u === 0)), items.map(() => 0)];
  const parts = [];
  for (let layer = 0; layer <= 3; layer++) {
    const left = 50 + 170 * layer;
    const userY = (/** @type {number} */ u) => 80 + 55 * u;
    const itemY = (/** @type {number} */ i) => 60 + 50 * i;
    parts.push(words(left + 55, 26, layer === 0 ? 'layer 0: itself' : `layer ${layer}`, { bold: true }));
    for (const [u, i] of /** @type {[number, number][]} */ (edges)) {
      parts.push(line(left + 14, userY(u), left + 96, itemY(i), { width: 1 + 2 * weight([u, i]) }));
    }
    const node = (
      /** @type {number} */ x,
      /** @type {number} */ y,
      /** @type {string} */ name,
      /** @type {number} */ value,
      /** @type {'user' | 'item'} */ color,
    ) => {
      parts.push(dot(x, y, value > 0 ? color : 'plain', false, 14));
      parts.push(words(x, y + 4, value > 0 ? short(value) : '0', { fill: dark, size: 10.5 }));
      if (layer === 0)
        parts.push(
          words(color === 'user' ? x - 18 : x + 18, y + 4, name, { anchor: color === 'user' ? 'end' : 'start' }),
        );
    };
    users.forEach((name, u) => {
      node(left + 14, userY(u), name, /** @type {number} */ (atUsers[u]), 'user');
    });
    items.forEach((name, i) => {
      node(left + 96, itemY(i), name, /** @type {number} */ (atItems[i]), 'item');
    });
    const [nextUsers, nextItems] = [users.map(() => 0), items.map(() => 0)];
    for (const [u, i] of /** @type {[number, number][]} */ (edges)) {
      nextUsers[u] = /** @type {number} */ (nextUsers[u]) + weight([u, i]) * /** @type {number} */ (atItems[i]);
      nextItems[i] = /** @type {number} */ (nextItems[i]) + weight([u, i]) * /** @type {number} */ (atUsers[u]);
    }
    [atUsers, atItems] = [nextUsers, nextItems];
  }
  parts.push(
    ...sentences(
      30,
      262,
      'What Ann is made of reaches her items, then users who like the same, then their items.',
      'An edge carries 1 / √(degree of the user · degree of the item). The vector is the mean of all layers.',
    ),
  );
  return picture(
    'LightGCN: vectors propagated over the graph of likes',
    'A graph of three users and four items, four times. A one at the first user spreads along the edges, layer by layer.',
    292,
    parts,
  );
}

function attention() {
  const history = ['Kettle', 'Cups', 'Honey', 'Scones', 'Jam'];
  const parts = [];
  const [left, top, size] = [140, 60, 44];
  history.forEach((title, row) => {
    parts.push(words(left - 12, top + size * row + 27, title, { anchor: 'end' }));
    parts.push(words(left + size * row + 20, top - 12, title, { size: 11 }));
    history.forEach((_, column) => {
      const seen = column <= row;
      parts.push(
        box(
          left + size * column,
          top + size * row,
          size - 6,
          size - 6,
          seen ? (row === 4 ? 'good' : 'user') : 'plain',
          4,
        ),
      );
      if (!seen) parts.push(words(left + size * column + 19, top + size * row + 24, '–'));
    });
  });
  parts.push(words(left - 12, top - 12, 'reads →', { anchor: 'end' }));
  const y = top + size * 4 + 19;
  parts.push(line(left + size * 5, y, 440, y, { arrow: true }), box(442, y - 26, 120, 52, 'good'));
  parts.push(
    words(502, y - 4, 'last state', { fill: dark, bold: true }),
    words(502, y + 14, '= the user', { fill: dark }),
  );
  parts.push(line(562, y, 616, y, { arrow: true }), words(664, y - 4, '· item'), words(664, y + 14, '= logit'));
  parts.push(
    ...sentences(
      442,
      90,
      'Each row reads itself and what came',
      'before, never what comes after: so all',
      'positions can be trained at once, each',
      'on the item that follows it.',
    ),
  );
  return picture(
    'SASRec: causal self-attention over a history',
    'A triangle of five items by five: each reads itself and those before it. The state of the last one is the user, whose product with an item is a logit.',
    292,
    parts,
  );
}

/** @type {(rows: readonly (readonly [score: number, liked: boolean])[]) => number} */
export function areaUnderCurve(rows) {
  const [liked, other] = [rows.filter((row) => row[1]), rows.filter((row) => !row[1])];
  let wins = 0;
  for (const [a] of liked) for (const [b] of other) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (liked.length * other.length);
}

function aucs() {
  /** @type {[string, [number, boolean][]][]} */
  const users = [
    [
      'Ann likes most',
      [
        [0.95, true],
        [0.9, false],
        [0.84, true],
        [0.78, true],
        [0.72, true],
        [0.66, true],
      ],
    ],
    [
      'Ben likes little',
      [
        [0.4, false],
        [0.34, true],
        [0.28, false],
        [0.22, false],
        [0.16, false],
        [0.1, false],
      ],
    ],
  ];
  const x = (/** @type {number} */ score) => 150 + 400 * score;
  const parts = [words(x(0.5), 24, 'score →')];
  users.forEach(([name, rows], row) => {
    const y = 60 + 60 * row;
    parts.push(words(140, y + 4, name, { anchor: 'end' }), line(x(0), y, x(1), y));
    for (const [score, liked] of rows) parts.push(dot(x(score), y, liked ? 'good' : 'bad', !liked));
    parts.push(words(570, y + 4, `AUC of the user ${short(areaUnderCurve(rows))}`, { anchor: 'start' }));
  });
  const all = areaUnderCurve(users.flatMap(([, rows]) => rows));
  const mean = users.reduce((sum, [, rows]) => sum + areaUnderCurve(rows), 0) / users.length;
  const y = 190;
  parts.push(line(x(0), y, x(1), y), words(140, y + 4, 'all rows', { anchor: 'end' }));
  for (const [, rows] of users)
    for (const [score, liked] of rows) parts.push(dot(x(score), y, liked ? 'good' : 'bad', !liked));
  parts.push(words(570, y + 4, `AUC ${short(all)}, UAUC ${short(mean)}`, { anchor: 'start', bold: true }));
  parts.push(
    ...sentences(
      30,
      234,
      '● liked   ○ not liked. Knowing who likes much is enough for a high AUC. UAUC, the mean over',
      'users, says how well a user’s own rows are ordered.',
    ),
  );
  return picture(
    'AUC and UAUC',
    'Scores of two users. One likes most and has high scores, one likes little and has low ones: AUC over all rows is higher than the mean of both users.',
    266,
    parts,
  );
}

function topK() {
  /** @type {[string, number, boolean][]} */
  const items = [
    ['Scones', 2.4, true],
    ['Jam', 2.1, false],
    ['Honey', 1.7, false],
    ['Kettle', 1.2, true],
    ['Saucers', 0.9, false],
    ['Chain', -0.4, false],
    ['Hammer', -1.3, false],
  ];
  const parts = [words(150, 24, 'all items by logit', { bold: true }), words(540, 24, 'top 3', { bold: true })];
  let place = 0;
  items.forEach(([title, logit, known], row) => {
    const y = 46 + 31 * row;
    parts.push(
      words(120, y + 14, title, { anchor: 'end' }),
      box(130, y, 50 + 55 * (logit + 1.5), 20, known ? 'plain' : 'item', 4),
    );
    parts.push(
      words(140, y + 14, known ? `${logit.toFixed(1)}  liked before: left out` : logit.toFixed(1), {
        anchor: 'start',
        fill: dark,
        size: 11.5,
      }),
    );
    if (known || place >= 3) return;
    const target = 56 + 50 * place++;
    parts.push(
      line(186 + 55 * (logit + 1.5), y + 10, 474, target + 14, { arrow: true }),
      box(476, target, 130, 28, 'good'),
    );
    parts.push(words(541, target + 19, `${place}. ${title}`, { fill: dark }));
  });
  parts.push(...sentences(476, 236, 'Bought next: Honey, Chain.', 'Recall@3 = 1/2, Precision@3 = 1/3.'));
  return picture(
    'The K best items',
    'Seven items by logit; two that were liked before are left out, the three best of the others are the list.',
    276,
    parts,
  );
}

/** SVG by the name of its file in docs/pictures. @returns {Map<string, string>} */
export function drawIdeas() {
  return new Map([
    ['splits.svg', splits()],
    ['embeddings.svg', embeddings()],
    ['propagation.svg', propagation()],
    ['attention.svg', attention()],
    ['auc-uauc.svg', aucs()],
    ['top-k.svg', topK()],
  ]);
}
