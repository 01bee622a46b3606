/** The page in a real browser, before an API that answers as it should, late, in part, or not at all. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  accessibilityProblems,
  type Browser,
  type BrowserContextOptions,
  findChromium,
  launchBrowser,
  noChromium,
  type Page,
} from '@crossgate/testing/browser';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeServer, startFakeServer } from './fake-server';
import { markupTitle } from './world';

/** Said by the browser of every answer that is an error; the page says it too. */
const refusals = /^Failed to load resource: the server responded with a status of (401|404|429|500)/;

const none = findChromium() === null;
describe.skipIf(none)(none ? `the page (${noChromium})` : 'the page in Chromium', () => {
  let browser: Browser;
  let server: FakeServer;
  beforeAll(async () => {
    [browser, server] = await Promise.all([launchBrowser(), startFakeServer()]);
  });
  beforeEach(() => {
    server.behavior = { parts: { cf: true, llm: true } };
    server.asked.length = 0;
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page. `close` fails on whatever the console said, and on requests to anywhere else. */
  async function open(options: BrowserContextOptions & { at?: string } = {}) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    page.on('dialog', (dialog) => said.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(`${server.url}/`) && !request.url().startsWith('data:')) said.push(request.url());
    });
    await page.goto(`${server.url}/${options.at ?? ''}`);
    return {
      page,
      rows: page.locator('#items > li[data-item]'),
      entries: page.locator('#entries > li'),
      status: page.locator('#status'),
      async close() {
        expect(said.filter((line) => !refusals.test(line))).toEqual([]);
        await context.close();
      },
    };
  }

  /** A screenshot, where CROSSGATE_SCREENSHOTS names a folder. */
  async function shoot(page: Page, name: string) {
    const folder = process.env.CROSSGATE_SCREENSHOTS;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
  }

  const titlesOf = async (page: Page) => page.locator('#items h3').allTextContents();
  /** No answer is awaited, and what fades has faded. */
  const settled = async (page: Page) => {
    await page.locator('#progress').waitFor({ state: 'hidden' });
    await page.evaluate('Promise.allSettled(document.getAnimations().map((animation) => animation.finished))');
  };

  it('opens with the list of the first user: titles as text, three bars with numbers', async () => {
    const { page, rows, entries, close } = await open();
    await rows.nth(9).waitFor();
    expect(await rows.count()).toBe(10);
    expect(await page.locator('#list-title').textContent()).toBe('Recommendations for user 1');
    expect(await page.locator('#basis').textContent()).toBe('By what the training learned of this user · 34 ms');
    expect(await page.locator('#model').textContent()).toBe('Method ccf · model 3fa94c01be77');
    expect(server.asked).toMatchObject([{ user: '1', top: 50, explain: false }]);
    const { item, score, cf } = await answered(server, rows);
    expect(await rows.first().locator('.fused .value').textContent()).toBe(score.toFixed(3));
    expect(await rows.first().locator('.cf .value').textContent()).toBe(cf.toFixed(3));
    expect(
      await rows
        .first()
        .locator('.fused .fill')
        .evaluate((bar: HTMLElement) => bar.style.width),
    ).toBe(`${Number((score * 100).toFixed(1))}%`);
    expect(await rows.first().getAttribute('data-item')).toBe(item);
    expect(await entries.locator('.title').allTextContents()).toEqual(
      server.world
        .events('1')
        .map(({ title }) => title)
        .reverse(),
    );
    expect(await entries.locator('.title').allTextContents()).toContain(markupTitle);
    expect(await page.locator('img, b').count()).toBe(0);
    await page.getByRole('button', { name: 'Show 50' }).click();
    expect(await rows.count()).toBe(50);
    await close();
  });

  it('filters the list by a value of an attribute, by keyboard', async () => {
    const { page, rows, status, close } = await open({ at: '#user=1' });
    await rows.nth(9).waitFor();
    const filter = page.getByLabel('Filter');
    await filter.waitFor();
    expect(
      await filter.locator('optgroup').evaluateAll((groups) => groups.map((one) => one.getAttribute('label'))),
    ).toEqual(['genres']);
    expect(await filter.locator('option').allTextContents()).toEqual([
      'All items',
      'Drama (33)',
      '<b>Noir</b> (34)',
      'Western (33)',
    ]);
    await page.keyboard.press('f');
    expect(await filter.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.keyboard.press('<');
    await expect.poll(() => status.textContent()).toBe('Only items with genres <b>Noir</b>.');
    expect(server.asked.at(-1)).toMatchObject({ user: '1', where: { genres: { any: ['<b>Noir</b>'] } } });
    const shown = await rows.evaluateAll((all) => all.map((row) => Number(row.getAttribute('data-item')) % 3));
    expect(shown).toEqual(Array(10).fill(1));
    expect(await accessibilityProblems(page)).toEqual([]);
    // It stays with the next person, and goes when it is taken back.
    await page.locator('#user').fill('4');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#list-title').textContent()).toBe('Recommendations for user 4');
    await expect
      .poll(() => server.asked.at(-1))
      .toMatchObject({ user: '4', where: { genres: { any: ['<b>Noir</b>'] } } });
    await filter.selectOption('All items');
    await expect.poll(() => status.textContent()).toBe('All items.');
    expect(server.asked.at(-1)).not.toHaveProperty('where');
    await close();
  });

  it('shows no filter where items have no attributes, and says so where they did not come', async () => {
    server.behavior.attributes = 'none';
    const plain = await open();
    await plain.rows.nth(9).waitFor();
    await plain.page.waitForLoadState('networkidle');
    expect(await plain.page.locator('#filter-row').isVisible()).toBe(false);
    await plain.close();
    server.behavior.attributes = 'failing';
    const failing = await open();
    await failing.rows.nth(9).waitFor();
    await failing.page.getByText('The attributes of the items did not come').waitFor();
    expect(await failing.page.locator('#filter-row').isVisible()).toBe(false);
    await failing.close();
  });

  it('takes another user by keyboard, and comes back by the browser', async () => {
    const { page, rows, close } = await open();
    await rows.first().waitFor();
    await page.keyboard.press('u');
    await page.keyboard.type('3');
    const options = page.locator('.combobox').getByRole('option');
    await expect
      .poll(() => options.allTextContents())
      .toEqual(['3', '13', '23', '30', '31', '32', '33', '34', '35', '36', '37', '38']);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const active = await page.locator('#user').getAttribute('aria-activedescendant');
    expect(await page.locator(`#${active}`).textContent()).toBe('13');
    await page.keyboard.press('Enter');
    const heading = page.locator('#list-title');
    await expect.poll(() => heading.textContent()).toBe('Recommendations for user 13');
    expect(page.url()).toBe(`${server.url}/#user=13`);
    // A whole id needs no suggestion; one that nobody has is said to be so, and the list stays.
    await page.locator('#user').fill('40');
    await page.keyboard.press('Enter');
    await expect.poll(() => heading.textContent()).toBe('Recommendations for user 40');
    await page.locator('#user').fill('999');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('The run knows no user 999.');
    expect(await heading.textContent()).toBe('Recommendations for user 40');
    await page.goBack();
    await page.goBack();
    await expect.poll(() => heading.textContent()).toBe('Recommendations for user 13');
    await close();
  });

  it('asks by the history once that is changed, says what moved, and takes changes back', async () => {
    const { page, rows, entries, status, close } = await open({ at: '#user=5' });
    await rows.first().waitFor();
    const before = await titlesOf(page);
    const events = server.world.events('5');
    const ids = (label: 0 | 1, without?: string) =>
      events.filter((event) => event.label === label && event.item !== without).map(({ item }) => item);
    const newest = events.at(-1)!;
    await entries
      .first()
      .getByRole('button', { name: `Remove ${newest.title}` })
      .click();
    await expect.poll(() => status.textContent()).toMatch(/^Removed .*(now first: .*|stay as they were)\.$/);
    expect(server.asked.at(-1)).toMatchObject({
      history: ids(1, newest.item),
      ...(ids(0, newest.item).length > 0 && { dislikes: ids(0, newest.item), exclude: ids(0, newest.item) }),
    });
    expect(server.asked.at(-1)).not.toHaveProperty('user');
    expect(await titlesOf(page)).not.toEqual(before);
    expect(await page.locator('.moved').count()).toBeGreaterThan(0);
    expect(await page.locator('#basis').textContent()).toContain('By a vector solved for the history shown');
    // The focus is where the next event came up.
    expect(await page.evaluate('document.activeElement.dataset.act')).toBe('remove');
    const second = events.at(-2)!;
    await entries
      .first()
      .getByRole('button', { name: /Change to/ })
      .click();
    await expect.poll(() => server.asked.at(-1)![second.label === 1 ? 'dislikes' : 'history']).toContain(second.item);
    await page.keyboard.press('z');
    await page.keyboard.press('z');
    await expect.poll(() => server.asked.at(-1)).toMatchObject({ user: '5' });
    await expect.poll(() => titlesOf(page)).toEqual(before);
    expect(await page.locator('#history-note').isVisible()).toBe(false);
    await close();
  });

  it('adds items by title and from the list, to the history of somebody new', async () => {
    const { page, rows, entries, status, close } = await open({ at: '#new' });
    await rows.first().waitFor();
    expect(server.asked).toMatchObject([{ history: [] }]);
    expect(await page.locator('#basis').textContent()).toContain('the most popular items');
    expect(await rows.first().locator('dl').textContent()).toBe('Users4,200');
    expect(await page.locator('#history-note').textContent()).toContain('Nothing here yet');
    await page.keyboard.press('a');
    await page.keyboard.type('velvet parade');
    await page.keyboard.press('Enter');
    await expect.poll(() => entries.count()).toBe(1);
    expect(await entries.first().textContent()).toContain('Velvet Parade');
    await expect.poll(() => server.asked.at(-1)!.history).toHaveLength(1);
    await settled(page);
    const [first, second] = await titlesOf(page);
    await page.locator('#item').blur();
    await page.keyboard.press('l');
    await page.keyboard.press('Enter');
    await expect.poll(() => status.textContent()).toContain(`Liked ${first}.`);
    await settled(page);
    expect(await entries.first().textContent()).toBe(first);
    expect(await titlesOf(page)).not.toContain(first);
    expect(await page.evaluate('document.activeElement.closest("#items") !== null')).toBe(true);
    const dislike = page.getByRole('button', { name: `Not for this person: ${second}` });
    await dislike.click();
    await expect.poll(() => server.asked.at(-1)!.exclude).toHaveLength(1);
    await expect.poll(() => titlesOf(page)).not.toContain(second);
    await close();
  });

  it('explains by the items of the history that moved a score', async () => {
    const { page, rows, close } = await open({ at: '#user=9' });
    await rows.first().waitFor();
    await page.keyboard.press('e');
    const reasons = rows.first().locator('.reasons li');
    await expect.poll(() => reasons.count()).toBe(3);
    expect(server.asked.at(-1)).toMatchObject({ user: '9', top: 10, explain: true });
    expect(await reasons.first().textContent()).toMatch(/^[+−]0\.\d{3} \S/);
    await close();
  });

  it('places a new title in the list, again after a change, and drops it', async () => {
    const { page, rows, entries, close } = await open({ at: '#user=9' });
    await rows.first().waitFor();
    await page.keyboard.press('t');
    await page.keyboard.type('<b>The Glass Meridian</b> (2031)');
    await page.keyboard.press('Enter');
    const said = page.locator('#try-said');
    await expect
      .poll(() => said.textContent())
      .toMatch(/^<b>The Glass Meridian<\/b> \(2031\): (place \d+|below 50), 0\.\d{3}$/);
    const own = page.locator('#items > li.own');
    expect(await own.count()).toBe(1);
    expect(await own.textContent()).toContain('Your title');
    const scores = (await page.locator('#items .fused .value').allTextContents()).map(Number);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const scored = () => server.asked.filter(({ top, among }) => top === 1 && among?.length === 1);
    expect(scored()).toMatchObject([{ among: [expect.stringMatching(/^page-[\da-f]{16}$/)] }]);
    const value = await page.locator('#tried .landed').textContent();
    await entries
      .first()
      .getByRole('button', { name: /^Remove/ })
      .click();
    // The list comes first and says that the title has no place yet; then the title is scored again.
    await expect.poll(scored).toHaveLength(2);
    await expect
      .poll(() => page.locator('#tried .landed').textContent())
      .toMatch(/^(place \d+|below the first \d+), 0\.\d{3}$/);
    expect(await page.locator('#tried .landed').textContent()).not.toBe(value);
    await page.getByRole('button', { name: /^Drop/ }).click();
    expect(await own.count()).toBe(0);
    await close();
  });

  it('shows the newest answer, whatever order they come in', async () => {
    const { page, rows, entries, close } = await open({ at: '#user=5' });
    await rows.first().waitFor();
    const length = await entries.count();
    const sizes = ({ history = [], dislikes = [] }: { history?: readonly string[]; dislikes?: readonly string[] }) =>
      history.length + dislikes.length;
    let answerLate!: () => void;
    const held = new Promise<void>((resolve) => {
      answerLate = resolve;
    });
    server.behavior.hold = (body) => (sizes(body) === length - 1 ? held : undefined);
    const late = page.waitForEvent('requestfailed');
    await entries
      .first()
      .getByRole('button', { name: /^Remove/ })
      .click();
    await expect.poll(() => server.asked.length).toBe(2);
    await entries
      .first()
      .getByRole('button', { name: /^Remove/ })
      .click();
    await late;
    await settled(page);
    const shown = await titlesOf(page);
    answerLate();
    await page.evaluate('fetch("/readyz").then(() => undefined)');
    expect(sizes(server.asked.at(-1)!)).toBe(length - 2);
    expect(await titlesOf(page)).toEqual(shown);
    await close();
  });

  it('says what a list lacks: the language model, CF, an answer in time', async () => {
    const { page, rows, close } = await open({ at: '#user=5' });
    await rows.first().waitFor();
    const names = () => rows.first().locator('dt').allTextContents();
    const again = async () => {
      const count = server.asked.length;
      await page.keyboard.press('r');
      await expect.poll(() => server.asked.length).toBe(count + 1);
      await settled(page);
    };
    expect(await names()).toEqual(['Fused', 'CF', 'LLM']);
    server.behavior.parts = { cf: true, llm: false };
    await again();
    expect(await names()).toEqual(['CF']);
    server.behavior.parts = { cf: false, llm: true };
    await again();
    expect(await names()).toEqual(['LLM']);
    server.behavior = { parts: { cf: true, llm: true }, degraded: true };
    await again();
    expect(await page.locator('.notice').textContent()).toContain('this is the order of CF alone');
    server.behavior = { parts: { cf: true, llm: true } };
    await page.getByRole('button', { name: 'Ask again' }).click();
    await expect.poll(() => page.locator('.notice').count()).toBe(0);
    expect(await names()).toEqual(['Fused', 'CF', 'LLM']);
    server.behavior.parts = { cf: true, llm: false };
    await page.reload();
    await page.locator('#try-without').waitFor();
    expect(await page.locator('#title').isVisible()).toBe(false);
    await close();
  });

  it('says what went wrong and what to do, and asks a busy server again', async () => {
    const { page, rows, close } = await open({ at: '#user=5' });
    await rows.first().waitFor();
    const error = { code: 'lost', message: 'the GPU was <i>lost</i>', fix: 'start the server again' };
    server.behavior.refuse = () => ({ status: 500, body: { error, requestId: 'r-77' } });
    await page.keyboard.press('r');
    const alert = page.getByRole('alert');
    await expect.poll(() => alert.textContent()).toContain('The GPU was <i>lost</i>. Start the server again.');
    expect(await alert.textContent()).toContain('Request r-77');
    await expect.poll(() => rows.count()).toBe(10);
    let busy = 2;
    server.behavior.refuse = () => (busy-- > 0 ? { status: 429, headers: { 'retry-after': '0' } } : undefined);
    await page.getByRole('button', { name: 'Ask again' }).click();
    await expect.poll(() => alert.count()).toBe(0);
    expect(busy).toBe(-1);
    await close();
  });

  it('asks for a token, keeps it in this tab alone, and forgets it', async () => {
    server.behavior.token = 'the-right-one';
    const { page, rows, close } = await open();
    const dialog = page.getByRole('dialog', { name: 'This server asks for a token' });
    await dialog.waitFor();
    expect(await dialog.textContent()).toContain('kept in this tab until the tab is closed');
    await page.keyboard.type('a-wrong-one');
    await page.keyboard.press('Enter');
    await dialog.getByText('The token was refused').waitFor();
    await page.keyboard.type('the-right-one');
    await page.keyboard.press('Enter');
    await rows.first().waitFor();
    expect(await page.evaluate('[JSON.stringify(sessionStorage), localStorage.length, document.cookie]')).toEqual([
      '{"crossgate-token":"the-right-one"}',
      0,
      '',
    ]);
    await page.reload();
    await rows.first().waitFor();
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await page.reload();
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('A token is needed.');
    await close();
  });

  it.each<[string, BrowserContextOptions]>([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
  ])('has no violation of axe-core and fits the screen: %s', async (name, options) => {
    const { page, rows, entries, close } = await open({ ...options, at: '#user=1' });
    await rows.first().waitFor();
    await page.getByLabel('Explain').check();
    await page.locator('.reasons').first().waitFor();
    await page.getByLabel('A title that the run has never seen').fill('The Lantern Keeper (2031)');
    await page.keyboard.press('Enter');
    await page.locator('#tried .landed').waitFor();
    await entries
      .first()
      .getByRole('button', { name: /^Remove/ })
      .click();
    await page.locator('.moved').first().waitFor();
    await settled(page);
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.evaluate('scrollTo(0, 0)');
    await shoot(page, name);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
      options.viewport?.width ?? 1200,
    );
    if (name === 'phone') {
      await page.getByRole('button', { name: /^History/ }).click();
      await shoot(page, 'phone-history');
    }
    await page.locator('#item').fill('the');
    await page.locator('.combobox').getByRole('option').first().waitFor();
    await page.keyboard.press('ArrowDown');
    expect(await accessibilityProblems(page)).toEqual([]);
    await shoot(page, `${name}-suggestions`);
    await page.keyboard.press('Escape');
    await page.locator('#item').blur();
    await page.keyboard.press('?');
    expect(await accessibilityProblems(page)).toEqual([]);
    await shoot(page, `${name}-keys`);
    await page.keyboard.press('Escape');
    if (name !== 'phone') {
      server.behavior.degraded = true;
      await page.keyboard.press('n');
      await page.keyboard.press('r');
      await page.locator('.notice').waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await shoot(page, `${name}-new`);
    }
    await close();
  });
});

/** The scores that the API gives for the first row. */
async function answered(server: FakeServer, rows: ReturnType<Page['locator']>) {
  const item = (await rows.first().getAttribute('data-item'))!;
  const ids = (label: 0 | 1) =>
    server.world
      .events('1')
      .filter((event) => event.label === label)
      .map((event) => event.item);
  return { item, ...server.world.scores(ids(1), ids(0), item) };
}
