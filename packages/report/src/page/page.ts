/** The report: one page of HTML that shows finished runs, and loads nothing. */
import { createHash } from 'node:crypto';
import type { Session, SplitName } from '@crossgate/experiment';
import { caseSection } from './case-section';
import { configSection } from './config-section';
import { curvesSection } from './curves-section';
import { html, type Markup, trusted } from './html';
import { itemsSections, type ModelWork } from './items-section';
import { metricsSection, testsSection } from './metrics-section';
import script from './page.client.js';
import { type MissingPart, Parts } from './parts';
import { type ReportedRun, type RunPlace, readRuns } from './read-run';
import { calibrationSection, rocSection } from './scores-section';
import { stagesSection } from './stages-section';
import { style } from './style';

/** What a report shows. */
export interface ReportOptions {
  /** The split whose rows are shown. Default `test`. */
  readonly split?: SplitName;
  /** Id in the source of the user of the case study. Default: the first with enough rows of both classes and a history. */
  readonly user?: string | undefined;
  /** Most items on a map. Default 1,000. */
  readonly items?: number;
  /** Seed of the choice of items and of the map. Default 1. */
  readonly seed?: number;
  /** Whether parts that need the language model are made. Default true. */
  readonly model?: boolean;
  /** `--set` arguments, such as `data.path=DIR`: where data and models lie. */
  readonly set?: readonly string[];
  /** Version of the program, for the foot of the page. */
  readonly version?: string;
}

/** A page, and what is not on it. */
export interface ReportPage {
  /** The document. */
  readonly html: string;
  /** Ids of its parts, in their order. */
  readonly parts: readonly string[];
  /** What is missing, with the reasons that the page gives too. */
  readonly missing: readonly MissingPart[];
}

/**
 * Makes the report of finished runs. It is the same for the same runs and options. Parts whose data, model or GPU is not
 * there are left out, and the page says why.
 *
 * @param places at least one run folder
 * @throws InputError for a run that is not complete or damaged, one without predictions for the split, one that is given
 * twice, and for a user who has no rows; InterruptedError
 */
export async function reportPage(
  places: readonly RunPlace[],
  session: Session,
  options: ReportOptions = {},
): Promise<ReportPage> {
  const { split = 'test', user, items = 1000, seed = 1, model = true, set = [], version } = options;
  const runs = await readRuns(places, split);
  const parts = new Parts(session.log);
  const sections: [id: string, title: string, content: Markup][] = [];
  const add = (id: string, title: string, content: Markup) => {
    if (content.text !== '') sections.push([id, title, content]);
  };
  // What is wrong with the user is found before the model is loaded.
  const studied = await caseSection(runs, { session, set, split, user }, parts);
  add('metrics', 'Metrics', await metricsSection(runs, split));
  add('tests', 'Paired tests', await testsSection(runs, split, parts));
  add('roc', 'ROC curves', await rocSection(runs, split, parts));
  add('calibration', 'Calibration', await calibrationSection(runs, split, parts));
  add('curves', 'Training', await curvesSection(runs, parts));
  const shown = await modelSections(runs, split, model ? { session, set, items, seed } : null, parts);
  add('items', 'Items', shown.items);
  add('gate', 'Gate', shown.gate);
  add('stages', 'Stages', shown.stages);
  add('case', 'Case study', studied);
  add('config', 'Config', configSection(runs));
  return {
    html: document(runs, sections, version).text,
    parts: sections.map(([id]) => id),
    missing: parts.missing,
  };
}

/** The sections that need the language model of each run. */
async function modelSections(
  runs: readonly ReportedRun[],
  split: SplitName,
  work: ModelWork | null,
  parts: Parts,
): Promise<{ items: Markup; gate: Markup; stages: Markup }> {
  const none = html``;
  if (work === null) {
    for (const part of ['items', 'gate', 'stages']) parts.leaveOut(part, [], 'left out by option');
    return { items: none, gate: none, stages: none };
  }
  // Runs without a language model have nothing to show here, and there is nothing to say of each.
  const hybrid = runs.filter(({ provenance }) => provenance.modelHash !== undefined);
  if (hybrid.length === 0) {
    for (const part of ['items', 'gate', 'stages']) parts.leaveOut(part, [], 'no run has a language model');
    return { items: none, gate: none, stages: none };
  }
  const { items, gate } = await itemsSections(hybrid, work, parts);
  return { items, gate, stages: await stagesSection(hybrid, split, work, parts) };
}

function document(
  runs: readonly ReportedRun[],
  sections: readonly (readonly [string, string, Markup])[],
  version: string | undefined,
): Markup {
  const names = runs.map(({ name }) => name);
  const title = `Report: ${names.join(', ')}`;
  // Only this script and this style may be used, and nothing may be loaded.
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
  const made = version === undefined ? '' : ` ${version}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>${title}</h1>
<nav aria-label="Parts of the report"><ul>${sections.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main id="main" tabindex="-1">
${sections.map(([, , content]) => content)}</main>
<footer><p>Made by crossgate${made} report. This page loads nothing from elsewhere.</p></footer>
<script>${trusted(script)}</script>
</body>
</html>
`;
}
