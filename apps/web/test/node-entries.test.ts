/** What a build for browsers says of entries that need Node. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const resolveDir = fileURLToPath(new URL('..', import.meta.url));

it.each([
  ['@crossgate/gpu/node', 'import openDevice from @crossgate/gpu'],
  ['@crossgate/data/node', 'readDatasetFile, from @crossgate/data'],
  ['@crossgate/llm/node', 'import httpFolder and openModelFolder from @crossgate/llm'],
  ['@crossgate/experiment', 'import openRunFolder from @crossgate/experiment/live'],
])('a build of %s stops, and says what to import instead', async (entry, words) => {
  const contents = `import * as all from '${entry}'; console.log(all);`;
  const options = { bundle: true, write: false, logLevel: 'silent', format: 'esm' } as const;
  const failed = await build({ ...options, stdin: { contents, resolveDir }, platform: 'browser' }).catch(
    (error: Error) => error.message,
  );
  expect(failed).toContain(`[crossgate] ${entry} runs in Node alone. In a browser, `);
  expect(failed).toContain(words);
});
