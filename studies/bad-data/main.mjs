#!/usr/bin/env node
// Writes what the data set `csv` makes of bad folders: docs/results/bad-data/README.md.
//
//   npm run -s example -- studies/bad-data/main.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import * as data from '@crossgate/data';
import { tableOfCases } from './cases.mjs';

const path = new URL('../../docs/results/bad-data/README.md', import.meta.url);
const before = readFileSync(path, 'utf8');
const start = before.indexOf('| folder |');
if (start < 0) throw new Error(`${path.pathname}: has no table to replace`);
writeFileSync(path, `${before.slice(0, start)}${await tableOfCases(data)}\n`);
