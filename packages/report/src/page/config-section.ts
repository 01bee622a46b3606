/** What the runs were: config, and where they ran. */
import { formatDuration } from '@crossgate/core';
import { type Cell, html, type Markup, section, table } from './html';
import type { ReportedRun } from './read-run';

function facts({ shown, result, provenance }: ReportedRun): Cell[][] {
  const text = (value: unknown): string => (value === null || value === undefined ? '–' : String(value));
  const model = provenance.model as { readonly name?: unknown } | undefined;
  const { dataset } = result;
  return [
    ['run folder', shown],
    ['method', result.method],
    ['sees', result.information],
    ['seed', text(result.seed)],
    ['data', `${text(dataset.name)}, ${dataset.hash}`],
    ['language model', model === undefined ? '–' : `${text(model.name)}, ${text(provenance.modelHash)}`],
    ['adapter', text(result.adapter)],
    ['time', formatDuration(result.seconds)],
    ['crossgate', text(provenance.crossgate)],
    ['node', `${text(provenance.node)}, ${text(provenance.platform)}`],
  ];
}

/** Config and environment of each run. */
export function configSection(runs: readonly ReportedRun[]): Markup {
  const each = runs.map((run, index) =>
    section(
      ...([`config-${index + 1}`, 3, run.name] as const),
      table(`Where ${run.name} comes from`, ['what', 'value'], facts(run), 2),
      html`<pre tabindex="0" role="group" aria-label="config.yaml of ${run.name}"><code>${run.config}</code></pre>\n`,
    ),
  );
  return section('config', 2, 'Config and environment', each);
}
