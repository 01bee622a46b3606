/** The page in Chromium on WebGPU in software: a run of seconds is opened, its scores are those of Node. */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig, openLiveRun, openSession, runExperiment } from '@crossgate/experiment';
import { openDevice } from '@crossgate/gpu/node';
import {
  accessibilityProblems,
  type Browser,
  type BrowserContextOptions,
  findChromium,
  launchBrowser,
  noChromium,
  type Page,
} from '@crossgate/testing/browser';
import { inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { suggestionsFor, trainMf } from '../src/page/jobs/mf';
import { findServed } from '../src/served';
import { type PageServer, servePage } from '../src/server';

const built = fileURLToPath(new URL('../dist/page', import.meta.url));
const markup = '<img src=x onerror=alert(1)>';

const config = `method: ccf
data: { name: ml-1m, path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 3, selectBy: last }
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
lora: { rank: 2 }
training: { selectBy: last, stage1: &s { rows: 4, batchSize: 4 }, stage2: *s }
evaluation: { validRows: 4, testRows: 4, batchTokens: 2000 }
`;

/** Drops files and folders of this machine on a place of the page, as somebody does with a mouse. */
async function drop(page: Page, selector: string, ...files: string[]): Promise<void> {
  const zone = page.locator(selector);
  await zone.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await zone.boundingBox())!;
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const send = (type: 'dragEnter' | 'dragOver' | 'drop') =>
    browser.send('Input.dispatchDragEvent', { type, x: x + width / 2, y: y + height / 2, data });
  await send('dragEnter');
  await send('dragOver');
  await page.locator(`${selector}.over`).waitFor();
  await send('drop');
  await page.locator(`${selector}:not(.over)`).waitFor();
  await browser.detach();
}

/** Items with their scores, in the order of their ids: near ties may stand either way in two programs. */
const byId = (list: readonly { item: string | null; score: number }[]) =>
  list.map(({ item, score }) => [item, score] as const).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));

/** Items and scores that rows of a list show. */
const shownIn = (rows: ReturnType<Page['locator']>) =>
  rows.evaluateAll((all) =>
    all.map((row) => ({ item: row.getAttribute('data-item'), score: Number(row.getAttribute('data-score')) })),
  );

/** Fails unless both lists hold the same items with scores that differ by less than 1e-4. */
function expectSame(shown: Parameters<typeof byId>[0], expected: Parameters<typeof byId>[0]): void {
  expect(byId(shown).map(([item]) => item)).toEqual(byId(expected).map(([item]) => item));
  for (const [at, [item, score]] of byId(shown).entries()) {
    expect(Math.abs(score - byId(expected)[at]![1]), `score of ${item}`).toBeLessThan(1e-4);
  }
}

const none = findChromium() === null;
describe.skipIf(none)(none ? `the page (${noChromium})` : 'the page in Chromium', () => {
  let [cwd, user]: [string, string] = ['', ''];
  let browser: Browser;
  let server: PageServer;
  /** What Node answers: items with their scores, and what moved the first one most. */
  let expected: { items: readonly { item: string; score: number }[]; change: number };

  beforeAll(async () => {
    if (!existsSync(join(built, 'index.html'))) throw new Error('the page is not built: npm run build');
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
    const world = inventedMl1m(14, 16);
    // Some items are left to recommend, and all titles are markup.
    const isKept = (row: string) => row === '' || Number(row.split('::')[1]) % 3 !== Number(row.split('::')[0]) % 3;
    const ratings = world['ml-1m/ratings.dat']!.split('\n').filter(isKept).join('\n');
    const movies = world['ml-1m/movies.dat']!.replaceAll('Invented', markup);
    const files = { 'ml-1m/ratings.dat': ratings, 'ml-1m/movies.dat': movies, 'ccf.yaml': config };
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(cwd, name)), { recursive: true });
      await writeFile(join(cwd, name), text);
    }
    await writeTinyModel(join(cwd, 'model'));
    const opening = launchBrowser({ webgpu: true });
    await using session = openSession({ cwd });
    await runExperiment(await loadConfig('ccf.yaml', { cwd }), session, { run: 'run' });
    await using live = await openLiveRun(session, 'run');
    user = live.users().find((id) => live.user(id)?.known === 'trained')!;
    const { items } = await live.recommend({ user }, { top: 10, candidates: 40 });
    const [reasons] = await live.explain({ user }, [items[0]!.item]);
    expected = { items, change: reasons![0]!.change };
    server = await servePage({
      ...{ page: built, served: await findServed('run', undefined, cwd), port: 0, host: '127.0.0.1' },
    });
    browser = await opening;
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(cwd, { recursive: true, force: true });
  });

  /** Opens the page; `close` fails on whatever the console said, and on requests to anywhere else. */
  async function open(options: BrowserContextOptions = {}, by: Browser = browser) {
    const context = await by.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const said: string[] = [];
    const fetched: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    page.on('dialog', (dialog) => said.push(`dialog: ${dialog.message()}`));
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(server.url) && !url.startsWith('data:')) said.push(url);
      if (request.method() === 'GET') fetched.push(url.slice(server.url.length));
    });
    await page.goto(server.url);
    await page.locator('html[data-ready]').waitFor();
    return {
      ...{ page, fetched, context },
      rows: page.locator('#items > li'),
      async close() {
        expect(said).toEqual([]);
        await context.close();
      },
    };
  }

  it('opens the run of the server, recommends as Node does within 1e-4, explains, and keeps the files', async () => {
    const { page, rows, fetched, close } = await open();
    expect(await page.locator('#gpu').textContent()).toContain('swiftshader');
    await page.locator('#open-served').focus();
    await page.keyboard.press('Enter');
    await rows.first().waitFor();
    expect(await page.locator('#user').inputValue()).toBe(user);
    expectSame(await shownIn(rows), expected.items);
    await page.locator('#explain').check();
    const reason = page.locator('#items > li .reasons .value').first();
    await reason.waitFor();
    const change = Number((await reason.textContent())!.replace('−', '-').replace('±', ''));
    expect(Math.abs(change - expected.change)).toBeLessThan(6e-4);
    const weights = fetched.filter((url) => url.endsWith('model.safetensors')).sort();
    expect(weights).toEqual(['served/model/model.safetensors', 'served/run/adapter/adapter_model.safetensors']);
    // Opened again, the files are those that the browser keeps.
    fetched.length = 0;
    await page.reload();
    await page.locator('#open-served').click();
    await rows.first().waitFor();
    expect(fetched.filter((url) => /served\/(run|model)\//.test(url))).toEqual([]);
    await page.locator('#forget').click();
    await page.locator('#forget').waitFor({ state: 'hidden' });
    await close();
  });

  it('opens folders that somebody chooses, shows titles as text, and says what is missing', async () => {
    const { page, rows, close } = await open({ colorScheme: 'dark', viewport: { width: 390, height: 844 } });
    await page.locator('#run-folder').setInputFiles(join(cwd, 'run'));
    const notice = page.locator('#run-notices');
    await notice.getByText('choose the folder of that model too').waitFor();
    await page.locator('#run-folder').setInputFiles(join(cwd, 'ml-1m'));
    await notice.getByText('ml-1m is neither the folder of a run').waitFor();
    await page.locator('#model-folder').setInputFiles(join(cwd, 'model'));
    await rows.first().waitFor();
    await page.locator('#user').fill('');
    await page.locator('#user-options li').first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page
      .locator('#run-said')
      .getByText(/items? by/)
      .waitFor();
    const text = `${await page.locator('#likes').textContent()} ${await page.locator('#items').textContent()}`;
    const users = await page.locator('#items img').count();
    expect(users).toBe(0);
    expect(text).toContain(markup);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await close();
  });

  it('takes folders that somebody drops, in one go or one by one', async () => {
    const { page, rows, close } = await open();
    await drop(page, '#drop', join(cwd, 'ml-1m'));
    await page.locator('#run-notices').getByText('ml-1m is neither the folder of a run').waitFor();
    await drop(page, '#drop', join(cwd, 'model'), join(cwd, 'run'));
    await rows.first().waitFor();
    expect(await page.locator('#picked').textContent()).toBe('run: run · model: model');
    expect(await page.locator('#user').inputValue()).toBe(user);
    expectSame(await shownIn(rows), expected.items);
    await close();
  });

  it('trains on a dropped CSV as Node does, with a curve, and recommends; measures kernels until it is stopped', async () => {
    const { page, close } = await open();
    const csv = join(cwd, 'orders.csv');
    // Two tastes; every user leaves four of the items.
    const rows = Array.from({ length: 200 }, (_, n) => {
      const [who, what] = [n % 20, (Math.floor(n / 20) + (n % 20)) % 14];
      return `u${who};sku ${what};${(who + what) % 2 === 0 ? 5 : 1}`;
    });
    const text = `customer;product;stars\n${rows.join('\n')}\n`;
    await writeFile(csv, text);
    await drop(page, '#drop-csv', csv);
    await page.locator('#columns').waitFor();
    expect(await page.locator('#column-user').inputValue()).toBe('customer');
    expect(await page.locator('#column-item').inputValue()).toBe('product');
    expect(await page.locator('#column-rating').inputValue()).toBe('stars');
    expect(await page.locator('#threshold').inputValue()).toBe('3');
    await page.locator('#train').click();
    await page.locator('#suggestions').getByText('sku').first().waitFor();
    expect(await page.locator('#train-said').textContent()).toMatch(/20 users, 14 items, .* AUC [01]\.\d{4} on/);
    expect(await page.locator('#curve polyline.valid').getAttribute('points')).toMatch(/^(\S+ )+\S+$/);
    // Node with the same settings and seed: the same epochs, and the same lists.
    const answers = {
      user: 'customer',
      item: 'product',
      rating: 'stars',
      timestamp: null,
      separator: ';',
      threshold: 3,
    };
    await using device = await openDevice();
    const training = { ...answers, events: new File([text], 'orders.csv'), titles: null };
    const learned = await trainMf(device, training, () => {}, new AbortController().signal);
    const { epochs, bestEpoch } = learned.found;
    expect(await page.locator('#train-said').textContent()).toContain(`epoch ${bestEpoch} of ${epochs} is kept`);
    for (const who of ['u0', 'u7', 'u13']) {
      const list = await suggestionsFor(learned, who);
      expect(list.length).toBeGreaterThanOrEqual(4);
      await page.locator('#trained-user').fill(who);
      await page.keyboard.press('Enter');
      await page.locator(`#suggestions[data-user="${who}"]`).waitFor();
      expectSame(await shownIn(page.locator('#suggestions > li')), list);
    }
    await appendFile(csv, 'u1;sku 1;good\n');
    await page.locator('#csv').setInputFiles(csv);
    await page.locator('#train-said').getByText('201 rows').waitFor();
    await page.locator('#column-rating').selectOption('stars');
    await page.locator('#train').click();
    await page.locator('#train-notices').getByText('202').waitFor();
    await page.locator('#measure').click();
    await page.locator('#speed-rows tr').first().waitFor();
    expect(await page.locator('#speed-rows tr').first().textContent()).toMatch(/matmul.* (ms|µs).* GFLOP\/s/);
    await page.locator('#stop-measuring').click();
    await page.locator('#kernels-said').getByText('Stopped.').waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await close();
  });

  it('says where there is no WebGPU, and offers nothing', async () => {
    const plain = await launchBrowser();
    try {
      const { page, close } = await open({}, plain);
      expect(await page.locator('#gpu').textContent()).toBe('No WebGPU');
      expect(await page.locator('#no-gpu').textContent()).toMatch(/cannot here\..*WebGPU.*/);
      for (const control of ['#open-served', '#run-folder', '#csv', '#sample', '#measure']) {
        expect(await page.locator(control).isDisabled()).toBe(true);
      }
      expect(await accessibilityProblems(page)).toEqual([]);
      await close();
    } finally {
      await plain.close();
    }
  });
});
