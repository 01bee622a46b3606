// Token ids of real prompts against those of Python's tokenizers (reference/golden-prompts.py made the fixture).
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { loadSource } from '@crossgate/data/node';
import { openModel } from '@crossgate/llm/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { ccf, fillNoun, PromptBuilder, promptOfRow } from '../src';
import { marks } from './tiny';

interface GoldenPrompt {
  readonly row: number;
  readonly user: number;
  readonly item: number;
  readonly historyItems: number;
  readonly tokens: readonly number[];
  readonly items: readonly number[];
  readonly userPosition: number;
}

interface GoldenFile {
  readonly maxLength: number;
  readonly historyLength: number;
  readonly answers: { readonly prefix: readonly number[]; readonly yes: number; readonly no: number };
  readonly trainRows: { readonly count: number; readonly meanLength: number; readonly maximumLength: number };
  readonly prompts: readonly GoldenPrompt[];
}

const { CROSSGATE_DATA: data, CROSSGATE_MODELS: models } = process.env;
const ratings = data ? join(data, 'ml-1m') : '';
const stories = models ? join(models, 'stories260K', 'hf') : '';
const present = existsSync(join(ratings, 'ratings.dat')) && existsSync(join(stories, 'tokenizer.json'));

describe.skipIf(!data || !models || !present)(
  'golden prompts (need CROSSGATE_DATA with ml-1m and CROSSGATE_MODELS with stories260K)',
  () => {
    let golden: GoldenFile;
    let dataset: Dataset;
    let builder: (maxLength: number) => PromptBuilder;

    beforeAll(async () => {
      golden = JSON.parse(await readFile(new URL('./fixtures/golden-prompts.json', import.meta.url), 'utf8'));
      dataset = await loadSource('ml-1m', ratings);
      const opened = await openModel(stories);
      const tokenizer = await opened.tokenizer();
      await opened.source.close();
      const titles = dataset.items.map(({ title }) => title);
      const template = fillNoun(ccf.template, 'items');
      const { historyLength } = golden;
      builder = (maxLength) =>
        new PromptBuilder(tokenizer, titles, { template, historyLength, maxLength, slots: ccf.slots });
    });

    it('cover what is easily got wrong', () => {
      const histories = golden.prompts.map(({ items, item }) => new Set(items.filter((id) => id > 0 && id !== item)));
      expect(golden.prompts).toHaveLength(20);
      expect(golden.prompts.some(({ historyItems }) => historyItems === 0)).toBe(true);
      expect(histories.some(({ size }) => size === golden.historyLength)).toBe(true);
      // Items were dropped: the history is longer than what is left of it.
      const dropped = golden.prompts.filter(
        ({ row, historyItems }) => dataset.history('train', row, golden.historyLength).length > historyItems,
      );
      expect(dropped.length).toBeGreaterThanOrEqual(2);
    });

    it('have the answers', () => {
      const { prefix, yes, no } = builder(golden.maxLength).answers;
      expect({ prefix: Array.from(prefix), yes, no }).toEqual(golden.answers);
    });

    it('are equal token by token', () => {
      const ours = builder(golden.maxLength);
      for (const expected of golden.prompts) {
        const { row, user, item } = expected;
        const prompt = promptOfRow(ours, dataset, 'train', row);
        expect([dataset.splits.train.user[row], dataset.splits.train.item[row]], `row ${row}`).toEqual([user, item]);
        expect(Array.from(prompt.tokenIds), `tokens of row ${row}`).toEqual(expected.tokens);
        const found = marks(prompt);
        expect(Array.from(found.items), `items of row ${row}`).toEqual(expected.items);
        const users = Array.from(found.users, (id, position) => ({ id, position })).filter(({ id }) => id !== 0);
        expect(users, `user of row ${row}`).toEqual([{ id: user, position: expected.userPosition }]);
      }
    });

    it('have the same lengths on all training rows before anything is dropped', () => {
      const whole = builder(4096);
      const { rows } = dataset.splits.train;
      let [sum, longest] = [0, 0];
      for (let row = 0; row < rows; row++) {
        const { length } = promptOfRow(whole, dataset, 'train', row).tokenIds;
        sum += length;
        longest = Math.max(longest, length);
      }
      expect(rows).toBe(golden.trainRows.count);
      expect(longest).toBe(golden.trainRows.maximumLength);
      expect(sum / rows).toBeCloseTo(golden.trainRows.meanLength, 9);
    });
  },
);
