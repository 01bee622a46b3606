// An error as people see it and as programs read it, a table, and random numbers by counter.
import { describeError, explainError, InputError, philox4x32, textTable } from '@crossgate/core';

const error = new InputError('rating is "great"', { place: 'ratings.csv:12', fix: 'write a number' });
console.log(describeError(error)); // ratings.csv:12: rating is "great"; write a number
console.log(JSON.stringify(explainError(error))); // code, message and fix apart

console.log(
  textTable([
    ['model', 'AUC'],
    ['MF', '.6487'],
    ['SASRec', '.7066'],
  ]),
);
console.log(philox4x32([0, 0, 0, 0], [1, 0])); // the same on every machine
