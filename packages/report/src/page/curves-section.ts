/** How the runs were trained: loss and validation AUC, and the best of each phase. */
import { decimals } from '@crossgate/core';
import { drawRun, runCurves } from '../charts/run-curves';
import { type Cell, figure, html, type Markup, section, table } from './html';
import type { Parts } from './parts';
import type { ReportedRun } from './read-run';

/** The best validation AUC of each phase. */
function phaseRows({ records }: ReportedRun): Cell[][] {
  return runCurves(records).phases.map((phase) => {
    const own = records.filter((record) => record.phase === phase);
    const values = own.flatMap(({ step, validAuc }) => (typeof validAuc === 'number' ? [{ step, validAuc }] : []));
    const best = values.reduce<(typeof values)[number] | null>(
      (most, value) => (most === null || value.validAuc > most.validAuc ? value : most),
      null,
    );
    return [phase, Math.max(...own.map(({ step }) => step)), best && decimals(best.validAuc), best?.step];
  });
}

/** The curves of each run that was trained. */
export async function curvesSection(runs: readonly ReportedRun[], parts: Parts): Promise<Markup> {
  const trained = runs.filter(({ records }) => records.length > 0);
  const without = runs.filter(({ records }) => records.length === 0).map(({ name }) => name);
  const each: Markup[] = [];
  for (const [index, run] of trained.entries()) {
    // Epochs and steps have no axis in common, and a CF model's loss is of another kind than a language model's.
    const isCf = ({ phase }: (typeof run.records)[number]) => phase === 'cf';
    const kinds = [run.records.filter(isCf), run.records.filter((record) => !isCf(record))];
    const caption =
      'Training loss, averaged over neighboring steps, and AUC on the validation rows. Phases follow one another.';
    const figures: Markup[] = [];
    for (const records of kinds) {
      if (records.length > 0) figures.push(figure(await drawRun(run.name, records), caption));
    }
    const columns = ['phase', 'steps or epochs', 'best validation AUC', 'at'];
    each.push(
      section(
        ...([`curves-${index + 1}`, 3, run.name] as const),
        figures,
        table(`Phases of ${run.name}`, columns, phaseRows(run)),
      ),
    );
  }
  return section(
    ...(['curves', 2, 'Training'] as const),
    each,
    without.length === 0 ? html`` : parts.leaveOut('curves', without, 'not trained step by step'),
  );
}
