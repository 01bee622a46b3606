/** The style of the page: light and dark by the reader's settings, on paper and on a phone. */
import { palette } from '../charts/picture';

const colors = palette.map((color, i) => `.color-${i}::before { color: ${color}; }`).join('\n');

export const style = `
:root { color-scheme: light dark; --page: #ffffff; --text: #1b2430; --soft: #5a6572; --line: #d5dbe3; --box: #f4f6f9;
  --link: #1d4ed8; --mark: #b45309; --shade: rgb(0 0 0 / .3); }
@media (prefers-color-scheme: dark) {
  :root { --page: #12161c; --text: #e6eaf0; --soft: #a3adba; --line: #343d4a; --box: #1b212a; --link: #8ab4ff;
    --mark: #fbbf24; --shade: rgb(255 255 255 / .35); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
p, li, figcaption { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--page); padding: .5rem 1rem; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
/* A shade at each end behind which there is more: covered by what scrolls along when the end is reached. */
.scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--page) 40%, transparent) left / 2.5rem 100% no-repeat local,
  linear-gradient(to left, var(--page) 40%, transparent) right / 2.5rem 100% no-repeat local,
  radial-gradient(farthest-side at 0 50%, var(--shade), transparent) left / .7rem 100% no-repeat scroll,
  radial-gradient(farthest-side at 100% 50%, var(--shade), transparent) right / .7rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .92rem; margin: .6rem 0; }
caption { text-align: left; color: var(--soft); padding: .2rem 0; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th.word, td.word, tbody th { text-align: left; }
td.number { white-space: nowrap; }
tbody th { font-weight: normal; }
tbody th { min-width: 7rem; }
#config td.word { min-width: 12rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; min-width: 36rem; height: auto; }
figure > div > svg { color: var(--soft); }
.narrow svg { min-width: 0; max-width: 32rem; }
.map figure svg { min-width: 0; max-width: 46rem; }
figcaption, .soft { color: var(--soft); font-size: .92rem; }
.missing { color: var(--soft); border-left: 3px solid var(--mark); padding-left: .7rem; }
.legend { list-style: none; padding: 0; margin: .3rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
.legend li::before { content: "\\25CF"; margin-right: .35rem; }
.legend li.dashed::before { content: "\\25CC"; }
${colors}
pre { background: var(--box); border: 1px solid var(--line); padding: .8rem; overflow: auto; max-height: 26rem; font-size: .82rem; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center; margin: .6rem 0; }
.controls[hidden] { display: none; }
.controls fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.controls fieldset label::before { content: "\\25CF"; }
.controls input[type=search] { font: inherit; padding: .35rem .5rem; min-width: 15rem; max-width: 100%; background: var(--box);
  color: var(--text); border: 1px solid var(--soft); border-radius: .3rem; }
.found { list-style: none; margin: 0; padding: .3rem; display: flex; flex-wrap: wrap; gap: .4rem; max-height: 11rem; overflow: auto; }
.found button { font: inherit; font-size: .9rem; padding: .3rem .6rem; border: 1px solid var(--line); border-radius: .3rem;
  background: var(--box); color: var(--text); cursor: pointer; text-align: left; }
.found button[aria-pressed=true] { border-color: var(--mark); }
.status { min-height: 3em; margin: .3rem 0; }
.map .gone { display: none; }
.map .found-point { stroke: var(--mark); stroke-width: 2; stroke-opacity: 1; r: 5; }
.map .chosen-point { stroke: var(--text); stroke-width: 2.5; stroke-opacity: 1; fill-opacity: 1; r: 7; }
footer { color: var(--soft); font-size: .9rem; margin: 3rem auto 2rem; }
@page { margin: 15mm; }
@media print {
  :root { --page: #ffffff; --text: #000000; --soft: #333333; --line: #999999; --box: #ffffff; --link: #000000; }
  nav, .skip, .controls, .found, .status { display: none; }
  body { font-size: 10pt; }
  .scroll, pre { overflow: visible; max-height: none; background: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; columns: 2; font-size: 7pt; }
  figure, table, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  figure svg { min-width: 0; max-width: 13.5cm; }
  .narrow svg { max-width: 10cm; }
  table { font-size: 8pt; }
  td.number { white-space: normal; }
  th, td { padding: .15rem .3rem; }
}
`;
