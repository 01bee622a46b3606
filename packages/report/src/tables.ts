/** Small text tables for people; `--json` is for programs. */
import { decimals, textTable } from '@crossgate/core';
import type { ClickMetrics, SplitMetrics } from '@crossgate/eval';
import type { RankingOfSplits } from '@crossgate/experiment';

/** Ranking metrics of splits as a table; "left out" counts the users and targets that were known before. */
export function rankingTable(ranking: RankingOfSplits): string {
  const rows = [
    ['', 'k', 'users', 'left out', 'negatives', 'recall', 'precision', 'NDCG', 'MRR', 'MAP', 'hit', 'coverage'],
  ];
  for (const [split, value] of Object.entries(ranking)) {
    const { k, users, usersLeftOut, targetsLeftOut, negatives, recall, precision, ndcg, mrr, map, hit, coverage } =
      value;
    const shares = [recall, precision, ndcg, mrr, map, hit, coverage].map((share) => decimals(share));
    // Results of earlier versions do not say.
    const leftOut = targetsLeftOut === undefined ? '-' : `${usersLeftOut} users, ${targetsLeftOut} targets`;
    rows.push([split, String(k), String(users), leftOut, String(negatives ?? 'all'), ...shares]);
  }
  return textTable(rows);
}

/** The metrics of splits as a table, warm and cold rows below each. */
export function metricsTable(metrics: Readonly<Record<string, SplitMetrics>>): string {
  const rows = [['', 'rows', 'AUC', '95 %', 'UAUC', 'users', 'log loss']];
  const add = (label: string, value: ClickMetrics) => {
    const interval = value.auc95 === null ? '-' : `${decimals(value.auc95[0])}-${decimals(value.auc95[1])}`;
    const users = `${value.uaucUsers}/${value.users}`;
    rows.push([
      label,
      String(value.rows),
      decimals(value.auc),
      interval,
      decimals(value.uauc),
      users,
      decimals(value.logLoss),
    ]);
  };
  for (const [split, value] of Object.entries(metrics)) {
    add(split, value);
    if (value.warm) add('  warm', value.warm);
    if (value.cold) add('  cold', value.cold);
  }
  return textTable(rows);
}
