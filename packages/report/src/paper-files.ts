/** The files of a reproduction: its tables in every format, and its figures as SVG and as PNG. */
import type { Reproduction } from '@crossgate/experiment';
import { picturePng } from './charts/png';
import { figure3, formatPaperTable, paperCsv, paperTables } from './paper';

/**
 * Makes the files of a reproduction: `STEM.txt`, `.md`, `.tex`, `.csv` and `.json` with all tables, and for each figure
 * an `.svg` and a `.png` of the same name. There is no figure 3 where none of its rows has a result.
 *
 * @param stem name of the tables' files, such as `table3`
 * @param maps SVG of figure 4 by data set
 * @returns contents by name
 */
export async function paperFiles(
  reproduction: Reproduction,
  stem: string,
  maps: Readonly<Record<string, string>> = {},
): Promise<Record<string, string | Uint8Array>> {
  const tables = paperTables(reproduction);
  const all = (format: 'text' | 'markdown' | 'latex') =>
    `${tables.map((table) => formatPaperTable(table, format)).join('\n\n')}\n`;
  const files: Record<string, string | Uint8Array> = {
    [`${stem}.txt`]: all('text'),
    [`${stem}.md`]: `# The paper, reproduced\n\n${all('markdown')}`,
    [`${stem}.tex`]: all('latex'),
    [`${stem}.csv`]: paperCsv(reproduction),
    [`${stem}.json`]: `${JSON.stringify(reproduction, null, 2)}\n`,
  };
  const variants = await figure3(reproduction);
  const figures = [
    ...(variants === null ? [] : [['figure3', variants] as const]),
    ...Object.entries(maps).map(([dataset, svg]) => [`figure4-${dataset}`, svg] as const),
  ];
  for (const [name, svg] of figures) {
    files[`${name}.svg`] = svg;
    files[`${name}.png`] = await picturePng(svg);
  }
  return files;
}
