#!/usr/bin/env node
// Draws the pictures of the guide to collaborative filtering into docs/pictures, and writes its small shop, docs/shop.
//
//   node tools/pictures/main.mjs
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawIdeas } from './ideas.mjs';
import { shopFiles } from './shop.mjs';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
for (const [folder, files] of /** @type {const} */ ([
  ['pictures', drawIdeas()],
  ['shop', shopFiles()],
])) {
  mkdirSync(`${docs}${folder}`, { recursive: true });
  for (const [name, text] of files) writeFileSync(`${docs}${folder}/${name}`, text);
}
