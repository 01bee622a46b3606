/** What names of columns say, by their parts. */
import { describe, expect, it } from 'vitest';
import { type ColumnRole, columnRole, columnsFor, nameParts } from '../src/index';

const names: Readonly<Record<ColumnRole | 'nothing', readonly string[]>> = {
  user: [
    'user',
    'User-ID',
    'userId',
    'userid',
    'user_id:token',
    'reviewerID',
    'CustomerID',
    'visitorid',
    'client_code',
    'Nutzer',
    'User ID (hashed)',
    'utilisateur',
    'ID Usuário',
    'Пользователь',
    '用户ID',
    'ユーザーID',
  ],
  item: [
    'item',
    'movieId',
    'parent_asin',
    'asin',
    'track_id',
    'ISBN',
    'StockCode',
    'beer_beerid',
    'Artikel',
    'película',
    'id_filme',
    '商品ID',
    'товар',
    'event_id',
  ],
  rating: [
    'rating',
    'user_rating',
    'Book-Rating',
    'star_rating',
    'rating:float',
    'rate',
    'points',
    'Score',
    'Bewertung',
    'Rating [1-5]',
    'Puntuación',
    'note',
    'voto',
    '评分',
    '評価',
    'Оценка',
  ],
  label: ['label', 'clicked', 'is_recommended', 'liked', 'purchased', 'is_read'],
  count: ['playcount', 'play_count', 'plays', 'listens', 'hours', 'watch_ratio', 'play_duration'],
  timestamp: [
    'timestamp',
    'review_time',
    'event_time',
    'timestamp:float',
    'unix_timestamp',
    'unixReviewTime',
    'created_at',
  ].concat([
    'InvoiceDate',
    't_dat',
    'time_ms',
    'rated_on',
    'date_added',
    'rating_date',
    'time of review',
    'Datum',
    'Date Read',
    'Time Stamp',
    'Zeitstempel',
    '时间戳',
    'Дата',
  ]),
  title: ['title', 'Book-Title', 'product_name', 'title:token_seq', 'name'],
  other: [
    '',
    'id',
    'Unnamed: 0',
    'avg_rating',
    'num_ratings',
    'rating_id',
    'order_id',
    'release_date',
    'Year-Of-Publication',
  ].concat(['price', 'Quantity', 'verified_purchase', 'helpful_vote', 'video_duration', 'category_id', 'age']),
  nothing: ['x', 'toad', 'music', 'v1', 'behavior', 'event', 'is_weekend'],
};

describe('columnRole', () => {
  const cases = Object.entries(names).flatMap(([role, list]) => list.map((name) => [name, role] as const));
  it.each(cases)('%j is %s', (name, role) => expect(columnRole(name)?.role ?? 'nothing').toBe(role));
});

describe('columnsFor', () => {
  it('gives the most telling first', () => {
    expect(columnsFor('user', ['username', 'item', 'user_id'])).toEqual(['user_id', 'username']);
    expect(columnsFor('item', ['asin', 'parent_asin', 'user'])).toEqual(['parent_asin', 'asin']);
    expect(columnsFor('timestamp', ['date', 'x', 'timestamp'])).toEqual(['timestamp', 'date']);
  });
});

describe('nameParts', () => {
  it.each([
    ['Book-Ratings', ['book', 'rating']],
    ['unixReviewTime', ['unix', 'review', 'time']],
    ['USERID', ['user', 'id']],
    ['Größe:float', ['große']],
    ['bookrating', ['book', 'rating']],
    ['', []],
  ])('of %j', (name, parts) => expect(nameParts(name)).toEqual(parts));
});
