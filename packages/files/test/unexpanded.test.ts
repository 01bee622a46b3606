/** What is said of a path that is not there because a shell left its signs in it. */
import { expect, it } from 'vitest';
import { pathAdvice } from '../src';

const home = /does not replace ~ behind =, so write \$HOME/;
const quotes = /quotes are part of the path/;
it.each<[string, RegExp]>([
  ['~/data', home],
  ['~', /^other$/],
  ['~ann/data', home],
  ['/work/~/data', home],
  ["'/my data'", quotes],
  ['"data"', quotes],
  ["/work/'my runs/a'", quotes],
  ['/data/a~/b', /^other$/],
  ['C:\\PROGRA~1\\data', /^other$/],
  ["it's", /^other$/],
  ['/data', /^other$/],
])('%s', (path, expected) => {
  expect(pathAdvice(path, 'other')).toMatch(expected);
});
