/** What a column of a table of events is for, told by the parts of its name. */

/** What a column may hold for a recommender; `count` is how often or how long, `other` is known to be none of these. */
export type ColumnRole = 'user' | 'item' | 'rating' | 'label' | 'count' | 'timestamp' | 'title' | 'other';

/** What a name tells of its column. */
export interface NamedColumn {
  /** What the column is for. */
  readonly role: ColumnRole;
  /** How little the name tells: of two columns of one role, the one with the smaller number is meant. */
  readonly rank: number;
  /** Of a label: whether it says what somebody did, such as `clicked`, not what they think of it, such as `liked`. */
  readonly isDeed?: true;
}

/** Letters without accents and marks, as {@link nameParts} compares them. */
const plainLetters = (text: string) => text.normalize('NFD').replaceAll(/\p{Diacritic}/gu, '');

function withoutMarks<Role extends string>(words: Record<Role, readonly string[]>): Record<Role, readonly string[]> {
  const entries = Object.entries<readonly string[]>(words).map(([role, list]) => [role, list.map(plainLetters)]);
  return Object.fromEntries(entries) as Record<Role, readonly string[]>;
}

/** Words by role, the most telling first. */
const vocabulary = withoutMarks({
  user: [
    ...['user', 'customer', 'member', 'client', 'reviewer', 'account', 'visitor', 'uid', 'person', 'consumer'],
    ...['buyer', 'shopper', 'subscriber', 'viewer', 'reader', 'listener', 'player', 'rater', 'profile', 'patron'],
    ...[
      'guest',
      'usr',
      'household',
      'login',
      'email',
      'nick',
      'screen',
      'nutzer',
      'benutzer',
      'kunde',
      'usuario',
      'cliente',
    ],
    ...['utilisateur', 'utente', 'gebruiker', 'klant', 'пользователь', 'клиент', '用户', '用戶', '会员'],
    ...['顧客', '客户', 'ユーザー', 'ユーザ', '사용자'],
  ],
  item: [
    ...['item', 'product', 'movie', 'parentasin', 'asin', 'sku', 'stock', 'article', 'isbn', 'iid', 'book', 'track'],
    ...['song', 'video', 'film', 'anime', 'game', 'recipe', 'business', 'venue', 'restaurant', 'hotel', 'place'],
    ...['location', 'poi', 'listing', 'course', 'news', 'post', 'content', 'podcast', 'episode', 'show', 'series'],
    ...['joke', 'beer', 'wine', 'paper', 'document', 'doc', 'url', 'page', 'app', 'ad', 'job', 'coupon', 'pin'],
    ...['event', 'artist', 'album', 'playlist', 'artikel', 'produkt', 'producto', 'produit', 'produto'],
    ...['prodotto', 'articulo', 'pelicula', 'filme', 'buch', 'livre', 'libro', 'livro', 'boek', 'chanson'],
    ...['товар', 'фильм', 'книга', '商品', '物品', '电影', '書籍', '图书', '作品', 'アイテム', '映画', '상품', '영화'],
  ],
  rating: [
    ...['rating', 'star', 'score', 'overall', 'rate', 'grade', 'point', 'mark', 'preference', 'pref', 'evaluation'],
    ...['satisfaction', 'feedback', 'value', 'vote', 'bewertung', 'puntuacion'],
    ...['calificacion', 'avaliacao', 'pontuacao', 'nota', 'note', 'voto', 'valutazione', 'punteggio', 'waardering'],
    ...['beoordeling', 'оценка', 'рейтинг', '评分', '評分', '評価', 'レーティング', '평점', '별점'],
  ],
  label: [
    ...['label', 'clicked', 'click', 'liked', 'like', 'purchased', 'purchase', 'positive', 'target', 'bought'],
    ...[
      'watched',
      'converted',
      'conversion',
      'recommended',
      'recommend',
      'interested',
      'upvote',
      'thumb',
      'favorite',
      'favourite',
    ],
  ],
  count: [
    ...['playcount', 'count', 'play', 'listen', 'view', 'visit', 'frequency', 'freq', 'hours', 'minutes', 'weight'],
    ...['duration', 'ratio', 'scrobble', 'times', 'interaction', 'strength', 'playtime', 'dwell'],
  ],
  timestamp: [
    ...['timestamp', 'time', 'datetime', 'date', 'ts', 'when', 'dt', 'dat', 'tstamp', 'epoch', 'day', 'datum', 'fecha'],
    ...['stamp', 'zeitstempel', 'horodatage', 'heure', 'hora', 'tijd', 'дата', 'время', '时间', '時間', '时间戳'],
    ...['日期', '日時', 'タイムスタンプ', '시간', '날짜'],
    ...['created', 'added', 'modified', 'updated', 'create', 'zeit', 'year', 'month'],
  ],
  title: ['title', 'name', 'titel', 'titulo', 'titre', 'titolo', 'nombre', 'nome', 'nom', 'название', '标题', '名称'],
} satisfies Record<Exclude<ColumnRole, 'other'>, readonly string[]>);

/** Words for what somebody did: alone some are labels, and all are after `is` or `has`. */
const deeds = [
  ...['clicked', 'click', 'purchased', 'purchase', 'bought', 'buy', 'watched', 'converted', 'conversion', 'read'],
  ...['played', 'listened', 'viewed', 'view', 'opened', 'booked', 'ordered', 'reordered', 'installed', 'subscribed'],
  ...['followed', 'shared', 'saved', 'visited', 'streamed', 'consumed', 'attended', 'applied', 'finished', 'completed'],
];
/** Words for the key of a thing: `user id` is the user, and `order id` is nobody. */
const keyWords = [
  'id',
  'ids',
  'code',
  'key',
  'no',
  'number',
  'num',
  'nr',
  'hash',
  'uuid',
  'guid',
  'idx',
  'mboxsha1',
  'ean',
];
/** Words after which a name tells something else of its thing: the mean of many ratings, the birth of a user. */
const otherwise = {
  rating: ['avg', 'average', 'mean', 'median', 'imdb', 'total', 'num', 'std', 'sum', 'max', 'min', 'helpful'],
  count: ['total', 'follower', 'friend', 'review', 'rating', 'helpful', 'number', 'page', 'runtime', 'video', 'item'],
  label: ['helpful', 'verified'],
  timestamp: ['release', 'released', 'birth', 'publication', 'published', 'join', 'joined', 'signup', 'registration']
    .concat(['registered', 'expiry', 'expiration', 'user', 'play', 'watch'])
    .concat(['dwell', 'since', 'debut', 'runtime', 'deleted', 'gap']),
} as const;
/** Words that say what happened before `time`, `at` or `on`; no names of columns by themselves. */
const actions = [
  'review',
  'rated',
  'event',
  'unix',
  'order',
  'purchase',
  'invoice',
  'transaction',
  'posted',
  'session',
];
/** Words of columns of numbers that are no rating, no label, no time and no id. */
const others = [
  ...['price', 'amount', 'quantity', 'qty', 'cost', 'revenue', 'sales', 'discount', 'age', 'latitude', 'longitude'],
  ...['lat', 'lon', 'lng', 'zip', 'zipcode', 'postcode', 'gender', 'sex', 'category', 'genre', 'brand', 'tag', 'index'],
  ...['rank', 'position', 'order', 'length', 'size', 'height', 'width', 'helpful', 'verified', 'session', 'unnamed'],
  ...['summary', 'text', 'comment', 'country', 'city', 'state', 'language', 'occupation', 'row', 'tax'],
  ...['transaction', 'invoice', 'device', 'ip', 'channel', 'color', 'currency', 'description', 'unit', 'line', 'store'],
  ...[
    'shop',
    'seller',
    'brewery',
    'runtime',
    'budget',
    'popularity',
    'gap',
    'hour',
    'minute',
    'second',
    'weekday',
    'dow',
    'region',
  ],
];

/** Units of a time, after its word. */
const units = [
  'ms',
  'millis',
  'us',
  'micros',
  'ns',
  's',
  'sec',
  'seconds',
  'utc',
  'gmt',
  'iso',
  'unix',
  'epoch',
  'local',
];

/** The rank of a name that tells nothing more. */
const byName = 1000;
const known = new Set<string>(
  [
    ...Object.values(vocabulary).flat(),
    ...keyWords,
    ...Object.values(otherwise).flat(),
    ...actions,
    ...others,
    ...units,
  ].filter((word) => word.length > 1),
);
const singular = (word: string) => (known.has(word) || !word.endsWith('s') ? word : word.slice(0, -1));

/** Parts a word without gaps that is made of known words, such as `userid` and `bookrating`; else gives it whole. */
function segment(word: string): readonly string[] {
  if (known.has(word) || known.has(singular(word))) return [singular(word)];
  const best: (readonly string[] | undefined)[] = [[]];
  for (let end = 1; end <= word.length; end++) {
    for (let start = Math.max(0, end - 14); start < end - 1; start++) {
      const before = best[start];
      const piece = singular(word.slice(start, end));
      // Two letters part nothing but the key at the end: `toad` is neither `to` nor `ad`.
      const counts = piece.length > 2 || (end === word.length && (piece === 'id' || piece === 'at' || piece === 'ts'));
      if (before === undefined || !counts || !(known.has(piece) || piece === 'at')) continue;
      const parts = [...before, piece];
      const present = best[end];
      if (present === undefined || parts.length < present.length) best[end] = parts;
    }
  }
  return best[word.length] ?? [word];
}

/** A header of RecBole says the type after the name: `rating:float`. */
const typed = /^(.*):(token|token_seq|float|float_seq)$/;

/**
 * The parts of a name in lower case and in the singular, without a type of RecBole: `Book-Ratings`, `bookRating` and
 * `bookrating:float` all give `book`, `rating`.
 */
export function nameParts(name: string): readonly string[] {
  const plain = typed.exec(name.trim())?.[1] ?? name.trim();
  // What stands in brackets says more of the values, not what they are: `Rating (1-5)`.
  const bare = plain.replaceAll(/\([^()]*\)|\[[^[\]]*\]/g, ' ');
  return plainLetters(bare.trim() === '' ? plain : bare)
    .replaceAll(/(\p{Lo})(?=[A-Za-z])|([A-Za-z])(?=\p{Lo})/gu, '$& ')
    .replaceAll(/(\p{Ll}|\d)(?=\p{Lu})|(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$& ')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '')
    .flatMap(segment);
}

const isOneOf = (words: readonly string[], word: string | undefined): boolean =>
  word !== undefined && words.includes(word);

/**
 * What the name of a column says that it holds, by its last telling part: a `user_rating` is a rating, a `review_time`
 * a time, and a `rating_id` none of both.
 *
 * @returns undefined where the name says nothing, such as `x`
 */
export function columnRole(name: string): NamedColumn | undefined {
  const parts = headLast(nameParts(name));
  // Pandas writes the numbers of rows as a column without a name.
  if (parts.length === 0 || (parts.length === 1 && isOneOf(keyWords, parts[0]))) return { role: 'other', rank: byName };
  const asOne = parts.length > 1 ? rankOf('item', parts.join('')) : undefined;
  if (asOne !== undefined) return { role: 'item', rank: asOne * 10 };
  let isKey = false;
  let isTitle = false;
  while (parts.length > 1) {
    if (isOneOf(keyWords, parts.at(-1))) isKey = true;
    else if (isOneOf(vocabulary.title, parts.at(-1))) isTitle = true;
    else break;
    parts.pop();
  }
  const last = parts.at(-1) as string;
  const before = parts.slice(0, -1);
  if (parts.length > 1 && isOneOf(['at', 'on'], last) && !isKey) {
    return before.some((part) => isOneOf(otherwise.timestamp, part))
      ? { role: 'other', rank: byName }
      : { role: 'timestamp', rank: vocabulary.timestamp.length };
  }
  // A mark of whether something happened.
  if (isOneOf(['is', 'has', 'was', 'did'], before[0]) && !isKey) {
    if (before.concat(last).some((part) => isOneOf(otherwise.label, part))) return { role: 'other', rank: byName };
    const isDeed = isOneOf(deeds, last);
    if (!isDeed && rankOf('label', last) === undefined) return undefined;
    return { role: 'label', rank: vocabulary.label.length, ...(isDeed ? { isDeed: true as const } : {}) };
  }
  // The date on which something was done, such as `date read`.
  if (isOneOf(['date', 'time'], before[0]) && isOneOf(deeds, last) && !isKey)
    return { role: 'timestamp', rank: vocabulary.timestamp.length };
  if (isOneOf(vocabulary.title, last)) return { role: 'title', rank: vocabulary.title.indexOf(last) };
  for (const role of ['user', 'item'] as const) {
    const rank = rankOf(role, last);
    // `event` is a thing in `event_id` and what somebody did in `event`.
    if (rank === undefined || (last === 'event' && !isKey)) continue;
    if (isTitle && role === 'item') return { role: isKey ? role : 'title', rank: 10 + rank };
    return { role, rank: rank * 10 + (isKey ? 0 : isTitle ? 2 : 1) + (before.length > 0 ? 3 : 0) };
  }
  if (isKey) return { role: 'other', rank: byName };
  for (const role of ['timestamp', 'rating', 'label', 'count'] as const) {
    const rank = rankOf(role, last);
    if (rank === undefined) continue;
    if (before.some((part) => isOneOf(otherwise[role], part))) return { role: 'other', rank: byName };
    // A count of plays, but no play of counts.
    const isDeed = role === 'label' && isOneOf(deeds, last);
    return { role, rank: rank * 10 + (before.length > 0 ? 1 : 0), ...(isDeed ? { isDeed } : {}) };
  }
  return isOneOf(others, last) ? { role: 'other', rank: byName } : undefined;
}

function rankOf(role: keyof typeof vocabulary, word: string): number | undefined {
  const rank = (vocabulary[role] as readonly string[]).indexOf(word);
  return rank < 0 ? undefined : rank;
}

/** Parts with the word that tells most at the end: without numbers and units, and `time of review` as `review time`. */
function headLast(parts: readonly string[]): string[] {
  const of = parts.indexOf('of');
  const ordered = of > 0 ? [...parts.slice(of + 1), ...parts.slice(0, of)] : [...parts];
  const isDropped = (part: string | undefined, before: string | undefined) =>
    /^\d+$/.test(part as string) || (isOneOf(units, part) && isOneOf(vocabulary.timestamp, before));
  while (ordered.length > 1 && isDropped(ordered.at(-1), ordered.at(-2))) ordered.pop();
  return ordered;
}

/** The names of a header that say that they are for this, the most telling first. */
export function columnsFor(role: ColumnRole, header: readonly string[]): string[] {
  return header
    .flatMap((name) => {
      const found = columnRole(name);
      return found?.role === role ? [{ name, rank: found.rank }] : [];
    })
    .sort((a, b) => a.rank - b.rank)
    .map(({ name }) => name);
}
