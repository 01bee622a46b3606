/** Small text tables for people; `--json` is for programs. */
import { decimals, textTable } from '@crossgate/core';
import type { ClickMetrics, SplitMetrics } from '@crossgate/eval';
import type { RankingOfSplits } from '@crossgate/experiment';

/** Ranking metrics of splits as a table; users and targets that were known before are left out, and counted. */
export function rankingTable(ranking: RankingOfSplits): string {
  const counts = ['k', 'users', 'users left out', 'targets left out', 'negatives'];
  const rows = [['', ...counts, 'recall', 'precision', 'NDCG', 'MRR', 'MAP', 'hit', 'coverage']];
  for (const [split, value] of Object.entries(ranking)) {
    const { k, users, usersLeftOut, targetsLeftOut, negatives, recall, precision, ndcg, mrr, map, hit, coverage } =
      value;
    const shares = [recall, precision, ndcg, mrr, map, hit, coverage].map((share) => decimals(share));
    // Results of earlier versions do not say.
    const [usersOut, targetsOut] = [usersLeftOut ?? '-', targetsLeftOut ?? '-'];
    rows.push([split, ...[k, users, usersOut, targetsOut, negatives ?? 'all'].map(String), ...shares]);
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
