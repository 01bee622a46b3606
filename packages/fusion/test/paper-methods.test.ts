/** The methods that CCF-LLM is compared with: their prompts word by word, and what each stage trains. */
import { describe, expect, it } from 'vitest';
import {
  ccf,
  collm,
  fillNoun,
  finalTemplate,
  findMethod,
  instruct,
  type Method,
  methods,
  PromptBuilder,
  softprompt,
  stagesOf,
  type TrainingStrategy,
  tallrec,
  usesCf,
  usesGate,
  usesNeighbors,
  withNeighbors,
  zeroShot,
} from '../src';
import { tinyDataset, tinyTokenizer } from './tiny';

const input = { user: 3, item: 2, history: [1, 4] };

async function builderOf(method: Method, template: string, more: object = {}) {
  const titles = (await tinyDataset()).items.map(({ title }) => title);
  return new PromptBuilder(tinyTokenizer, titles, {
    ...{ template: fillNoun(template, 'movies'), slots: method.slots, historyLength: 10, maxLength: 400 },
    ...more,
  });
}

const promptsOf = async (method: Method, strategy: TrainingStrategy) =>
  Promise.all(
    stagesOf(method, strategy).map(async ({ template }) => (await builderOf(method, template)).describe(input)),
  );

describe('prompts', () => {
  const liked = '"Calm Story 0", "Loud Story 9"';
  const asText =
    `#Question: A user has given high ratings to the following movies: ${liked}. Leverage the information to predict ` +
    'whether the user would enjoy the movie titled "Loud Story 3"? Answer with "Yes" or "No". \\n#Answer:';

  it('of CoLLM: that of TALLRec, then one with the user and a second vector behind the title of the candidate', async () => {
    expect(await promptsOf(tallrec, 'stage1-only')).toEqual([asText]);
    expect(await promptsOf(collm, 'two-stage')).toEqual([
      asText,
      `#Question: A user has given high ratings to the following movies: ${liked}. Additionally, we have information ` +
        "about the user's preferences encoded in the feature [User 3]. Using all available information, make a " +
        'prediction about whether the user would enjoy the movie titled "Loud Story 3" with the feature [Item 2]? ' +
        'Answer with "Yes" or "No". \\n#Answer:',
    ]);
  });

  it('of Softprompt: a learned vector for the user and one for the candidate', async () => {
    expect(await promptsOf(softprompt, 'stage1-only')).toEqual([
      `#Question: [Learned 1 to 1] ${liked} [SEP] [Learned 2 to 2] "Loud Story 3" [SEP] Using all available ` +
        'information, make a prediction about whether the user would enjoy the movie? Answer with "Yes" or "No". \\n#Answer:',
    ]);
  });

  it('in words: without CF, and with what CF recommends', async () => {
    const beginning = `#Question: A user has given high ratings to the following movies: ${liked}. `;
    const end =
      'Using all available information, make a prediction about whether the user would enjoy the movie ' +
      '"Loud Story 3". Answer with "Yes" or "No". #Answer:';
    expect(await promptsOf(withNeighbors(instruct, false), 'stage1-only')).toEqual([beginning + end]);
    for (const method of [instruct, zeroShot]) {
      const named = withNeighbors(method, true);
      const neighbors = { of: (user: number) => [user, 2, 5], count: 2, excludeTarget: false };
      const builder = await builderOf(named, named.template, { neighbors });
      const sentence = (titles: string) =>
        `Additionally, we have information that users like these movies may also enjoy: ${titles}. `;
      const [both, without, none] = ['"Calm Story 6", "Loud Story 3"', '"Calm Story 6", "Calm Story 2"', 'unknown'];
      expect(builder.describe(input)).toBe(beginning + sentence(both) + end);
      // Without the candidate there is room for the next; then the prompts of a user part before the neighbors.
      const other = await builderOf(named, named.template, { neighbors: { ...neighbors, excludeTarget: true } });
      expect(other.describe(input)).toBe(beginning + sentence(without) + end);
      const shared = [builder, other].map((each) => each.build(input).sharedLength!);
      expect(shared[1]).toBeLessThan(shared[0]!);
      const cold = await builderOf(named, named.template, { neighbors: { ...neighbors, of: () => [] } });
      expect(cold.describe(input)).toBe(beginning + sentence(none) + end);
    }
  });
});

describe('declarations', () => {
  it('say what they train and learn from', () => {
    const all = methods.map((method) => [
      method.name,
      usesCf(method),
      usesGate(method),
      method.loss,
      ...Object.values(method.strategies).map((stages) => stages!.map(({ trains }) => trains.join('+')).join(', ')),
    ]);
    expect(all).toEqual([
      ['ccf', true, true, 'eq5', 'lora, fusion+cf', 'lora', 'lora+fusion+cf'],
      ['collm', true, false, 'yes-logit-bce', 'lora, fusion'],
      ['softprompt', false, false, 'yes-logit-bce', 'lora+learned'],
      ['tallrec', false, false, 'yes-logit-bce', 'lora'],
      ['instruct', false, false, 'answer-ce', 'lora'],
      ['zero-shot', false, false, 'answer-ce', ''],
    ]);
    expect(methods.map(({ name }) => findMethod(name).name)).toEqual(methods.map(({ name }) => name));
  });

  it('choose the best state anew where a stage has another prompt', () => {
    expect(stagesOf(ccf, 'two-stage').map(({ best }) => best)).toEqual(['carry', 'carry']);
    expect(stagesOf(collm, 'two-stage').map(({ best }) => best)).toEqual(['carry', 'own']);
    const given = stagesOf(ccf, 'two-stage', { stage1: 'Only {item}?', template: 'All of {item}?' });
    expect(given.map(({ template, best }) => [template, best])).toEqual([
      ['Only {item}?', 'carry'],
      ['All of {item}?', 'own'],
    ]);
  });

  it('have a prompt also where no stage trains', () => {
    expect(stagesOf(zeroShot, 'untrained')).toEqual([]);
    expect(finalTemplate(zeroShot, 'untrained')).toBe(zeroShot.template);
    expect(finalTemplate(zeroShot, 'untrained', { template: '{item}?' })).toBe('{item}?');
    expect(finalTemplate(collm, 'two-stage')).toBe(collm.template);
    expect(() => stagesOf(ccf, 'untrained')).toThrow(
      'ccf cannot be trained untrained; choose two-stage or stage1-only or end-to-end',
    );
  });

  it('name neighbors only where the prompt does', async () => {
    expect([instruct, withNeighbors(instruct, true), withNeighbors(instruct, false)].map(usesNeighbors)).toEqual([
      true,
      true,
      false,
    ]);
    expect(() => withNeighbors(ccf, true)).toThrow(
      'prompt.neighbors: the prompt of ccf names no neighbors; leave it out, or choose the method instruct or zero-shot',
    );
    const off = withNeighbors(instruct, false);
    await expect(builderOf(off, instruct.neighborsTemplate!)).rejects.toThrow('nothing fills the slot {neighbors}');
  });
});
