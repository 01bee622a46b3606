// A finished run of asymmetric SVD: its data, its factors, and what it says of users.
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { clickHistories } from '@crossgate/cf';
import { readDatasetFile } from '@crossgate/data';
import { auc, uauc } from '@crossgate/eval';
import { parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';

/** @typedef {'train' | 'valid'} Split */

/** @param {string} folder of the run */
export async function openRun(folder) {
  const file = join(folder, 'data.gz');
  const dataset = await readDatasetFile(createReadStream(file).pipe(createGunzip()), file);
  const state = join(folder, 'cf.safetensors');
  const source = await openFile(state);
  const tensors = (await parseState(source)).state;
  await source.close();
  const tensor = (/** @type {string} */ name) => {
    const found = tensors.get(name);
    if (!found) throw new Error(`${state} holds no ${name}: it is not of asymmetric SVD`);
    return found;
  };
  const [historyLength = 0, levelPrior = 0, ofClicks = 0, doublings = 0] = tensor('asvd.settings').data;
  const factors = tensor('asvd.factors');
  return {
    dataset,
    factors: factors.data,
    cfDim: factors.shape[1] ?? 0,
    itemMean: tensor('asvd.item_mean').data,
    ...{ historyLength, levelPrior, doublings: doublings === 1 },
    histories: clickHistories(dataset, ofClicks === 1 ? 'P' : 'H'),
    /** Logits of a split that the run kept. @param {Split} split */
    logits(split) {
      const [head = '', ...lines] = readFileSync(join(folder, 'predictions', `${split}.csv`), 'utf8')
        .trim()
        .split('\n');
      const at = head.split(',').indexOf('logit');
      return Float64Array.from(lines, (line) => Number(line.split(',')[at]));
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof openRun>>} Run */

/** AUC and UAUC of validation rows. @param {Run} run @param {Float64Array} score */
export function judge({ dataset }, score) {
  const { user, label } = dataset.splits.valid;
  return { auc: auc(label, score) ?? Number.NaN, uauc: uauc({ user, label, score }).uauc ?? Number.NaN };
}
