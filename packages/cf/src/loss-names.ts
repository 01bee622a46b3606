/** The losses on single rows, by name. */

/**
 * Losses on single rows. `bce` is the binary cross entropy of every row's label. The others learn from positive rows
 * alone:
 *
 * - `sampled-bce`: binary cross entropy with the item as 1 and one sampled item as 0 (Kang & McAuley 2018);
 * - `bpr`: −log σ(logit of the item − logit of one sampled item) (Rendle et al. 2009);
 * - `softmax`: cross entropy of the item among all seen items.
 */
export const cfLosses = ['bce', 'sampled-bce', 'bpr', 'softmax'] as const;
/** Name of a loss on single rows: see {@link cfLosses}. */
export type CfLoss = (typeof cfLosses)[number];
