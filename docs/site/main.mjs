// Makes the site: main.mjs build|dev|preview [--base /PATH/] [--port N]. `npm run site` starts it.
import { readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, createServer, serve } from 'vitepress';
import { findEntries, root } from '../../tools/site/pages.mjs';
import { introduceApi, repositoryFiles, stagePages } from '../../tools/site/stage.mjs';
import { writeReference } from './reference.mjs';

const site = join(root, 'docs/site');
const pages = join(root, '.cache/site/pages');
const say = (/** @type {string} */ line) => process.stderr.write(`site: ${line}\n`);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { base: { type: 'string', default: '/' }, port: { type: 'string', default: '5173' } },
});
const [command = 'build'] = positionals;
const port = Number(values.port);

/** Declarations that no import names: of files that are imported as text, and of libraries without types. */
const declarations = readdirSync(join(root, 'packages')).flatMap((name) =>
  readdirSync(join(root, 'packages', name, 'src'))
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => `packages/${name}/src/${file}`),
);

async function prepare() {
  const repository = await repositoryFiles();
  if (repository === undefined) say('no address of the repository is known: links to sources become their paths');
  await stagePages(pages, repository);
  say('reading the API of the packages');
  const lines = repository && `${repository.replace('{kind}', 'blob')}/{path}#L{line}`;
  const entries = findEntries();
  await writeReference({ root, out: join(pages, 'api'), entries, declarations, ...(lines ? { lines } : {}) });
  await introduceApi(pages);
  return repository;
}

if (command === 'preview') {
  await serve({ root: site, base: values.base, port });
  say(`http://localhost:${port}${values.base}`);
} else if (command === 'dev') {
  const repository = await prepare();
  const server = await createServer(site, { base: values.base, port });
  await server.listen();
  server.printUrls();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const restage = () => stagePages(pages, repository).catch((error) => say(error.message));
  for (const folder of ['', 'docs', 'packages', 'apps', 'studies']) {
    // Node watches folders in folders on every system; the root itself is large, and only its own files matter.
    watch(join(root, folder), { recursive: folder !== '' }, (_, file) => {
      if (!file?.endsWith('.md') || file.includes('node_modules')) return;
      clearTimeout(timer);
      timer = setTimeout(restage, 100);
    });
  }
} else if (command === 'build') {
  await prepare();
  await build(site, { base: values.base });
  say(`built in ${join(root, 'dist-site')}`);
} else {
  say(`unknown command '${command}'; known: build, dev, preview`);
  process.exitCode = 2;
}
