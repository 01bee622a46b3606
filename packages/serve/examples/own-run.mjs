// Serves something of your own: whatever answers as a LiveRun does can be put behind these endpoints. This one knows
// how often items were liked, and nothing else.
import { createServer, listen } from '@crossgate/serve';

const titles = new Map([
  ['1', 'Alien'],
  ['2', 'Heat'],
  ['3', 'Fargo'],
]);
const likes = [
  { user: 'ann', item: '1' },
  { user: 'ann', item: '3' },
  { user: 'bob', item: '3' },
];
const itemOf = (id) => (titles.has(id) ? { id, title: titles.get(id), known: 'trained' } : undefined);
const likedBy = (person) => person.history ?? likes.filter(({ user }) => user === person.user).map(({ item }) => item);
const scoresOf = (id) => ({ item: id, score: likes.filter(({ item }) => item === id).length, cf: null, llm: null });
const popular = {
  ...{ path: '', method: 'popular', model: 'none', adapter: 'none', parts: { cf: false, llm: false } },
  user(id) {
    const events = likes.filter(({ user }) => user === id).map(({ item }) => ({ item, label: 1, timestamp: null }));
    return events.length > 0 ? { known: 'trained', events } : undefined;
  },
  item: itemOf,
  users: () => [...new Set(likes.map(({ user }) => user))],
  items: () => [...titles.keys()].map(itemOf),
  observe: (events) => likes.push(...events.filter(({ label }) => label === 1)),
  addItems(items) {
    for (const { id, title } of items) titles.set(id, title);
  },
  // Its items have nothing to filter by.
  attributes: [],
  attributeValues: () => [],
  attributesOf: () => ({}),
  fits: () => true,
  async recommend(person, { top = 10, among = [...titles.keys()] } = {}) {
    const own = new Set(likedBy(person));
    const items = among.filter((id) => !own.has(id)).map(scoresOf);
    return { basis: 'popularity', items: items.sort((a, b) => b.score - a.score).slice(0, top) };
  },
  score: async (_person, items) => ({ basis: 'popularity', scores: items.map(scoresOf) }),
  explain: async (_person, items) => items.map(() => []),
  similar: async () => [],
  close: async () => {},
};

const server = await createServer(popular);
const listening = await listen(server, { port: 0 });
const answer = await fetch(`${listening.url}/v1/recommend`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ history: ['1'] }),
});
const { items } = await answer.json();
for (const { title, score } of items) console.log(`${title}: ${score} likes`);
await listening.close();
