// `npm run version-packages`: gives all packages their next version, and moves the changesets into CHANGELOG.md.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustExecute } from '../../packages/setup/src/system.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The text of a changeset, without the packages and kinds at its head. */
export function summaryOf(/** @type {string} */ changeset) {
  return changeset.replace(/^---\n[\s\S]*?\n---\n/, '').trim();
}

/**
 * A changelog with a new version on top: one point for each text, its further lines indented.
 * @param {string} changelog
 * @param {string} version
 * @param {string} date
 * @param {string[]} summaries
 */
export function withVersion(changelog, version, date, summaries) {
  const points = summaries.map((text) => `- ${text.split('\n').join('\n  ')}`.replace(/[ ]+$/gm, ''));
  const section = `## ${version} — ${date}\n\n${points.join('\n')}\n\n`;
  const first = changelog.search(/^## /m);
  return first < 0
    ? `${changelog.trimEnd()}\n\n${section}`
    : changelog.slice(0, first) + section + changelog.slice(first);
}

/** The version that all packages share. */
async function sharedVersion() {
  return JSON.parse(await readFile(join(root, 'packages/core/package.json'), 'utf8')).version;
}

async function main() {
  const folder = join(root, '.changeset');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.md') && name !== 'README.md').sort();
  if (names.length === 0) {
    process.stderr.write('version-packages: there are no changesets; npm run change writes one\n');
    return 1;
  }
  const summaries = [];
  for (const name of names) summaries.push(summaryOf(await readFile(join(folder, name), 'utf8')));
  const changesets = join(root, 'node_modules/@changesets/cli/bin.js');
  await mustExecute(process.execPath, [changesets, 'version'], { cwd: root });
  const version = await sharedVersion();
  const path = join(root, 'CHANGELOG.md');
  const date = new Date().toISOString().slice(0, 10);
  await writeFile(path, withVersion(await readFile(path, 'utf8'), version, date, summaries));
  const manifest = join(root, 'package.json');
  const text = await readFile(manifest, 'utf8');
  await writeFile(manifest, text.replace(/"version": "[^"]*"/, `"version": "${version}"`));
  process.stdout.write(`${version}: ${summaries.length} changes\n`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
