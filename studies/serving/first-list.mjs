// How long the page of a server takes to its first list: Chromium beside the server, each load in a context of its own.
//   npm run -s example -- studies/serving/first-list.mjs RUN… [--loads 6] [-- options of serve]
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from '@crossgate/testing/browser';
import { startServer } from './server.mjs';

const cut = process.argv.indexOf('--');
const [own, theirs] = cut < 0 ? [process.argv.slice(2), []] : [process.argv.slice(2, cut), process.argv.slice(cut + 1)];
const { values, positionals } = parseArgs({
  args: own,
  allowPositionals: true,
  options: { loads: { type: 'string', default: '6' } },
});
if (positionals.length === 0) {
  process.stderr.write('usage: first-list.mjs RUN… (see the head of the file)\n');
  process.exit(2);
}

const browser = await launchBrowser();
try {
  for (const run of positionals) {
    const server = await startServer(resolve(run), theirs);
    try {
      const answer = await fetch(`${server.url}/v1/users?limit=1000`);
      const { users } = /** @type {{ users: string[] }} */ (await answer.json());
      const times = [];
      for (let load = 0; load < Number(values.loads); load++) {
        const page = await (await browser.newContext()).newPage();
        // The browser's own clock, which begins with the request of the page.
        await page.addInitScript(`
          const observer = new MutationObserver(() => {
            if (!document.querySelector('#items li[data-item]')) return;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => (globalThis.firstRows = performance.now())));
          });
          observer.observe(document, { childList: true, subtree: true });
        `);
        // Each load another user, of whom nothing is in the server's caches.
        await page.goto(`${server.url}/#user=${encodeURIComponent(users[(load * 7) % users.length] ?? '')}`);
        await page.locator('#items li[data-item]').first().waitFor();
        // As an expression: the page's security policy allows no function made of text.
        const shown = Number(await page.evaluate('new Promise((done) => setTimeout(() => done(firstRows), 200))'));
        const basis = await page.locator('#basis').textContent();
        process.stderr.write(`load ${load + 1}: ${Math.round(shown)} ms. ${basis}\n`);
        times.push(shown);
        await page.context().close();
      }
      const [first, ...rest] = times.map(Math.round);
      process.stdout.write(
        `${server.method}, ${server.adapter}: first ${first} ms, then ${Math.min(...rest)} to ${Math.max(...rest)} ms\n`,
      );
    } finally {
      await server.stop();
    }
  }
} finally {
  await browser.close();
}
