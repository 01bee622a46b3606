// What the replay of captured steps saves, and what it holds. Prints Markdown.
//
//   npm run -s example -- studies/replay/main.mjs cf [ROUNDS]
//   npm run -s example -- studies/replay/main.mjs llm [ROUNDS]
//   npm run -s example -- studies/replay/main.mjs memory [STEPS]
//
// `cf` trains CF models and `llm` the demo's language model with LoRA, with recorded and with replayed steps in turns: 7
// rounds take two minutes each on two cores. `memory` takes 10,000 replayed steps of the language model, each on another batch:
// five minutes.
import { cf } from './cf.mjs';
import { llm, memory } from './llm.mjs';

const [part = '', count] = process.argv.slice(2);
const run = { cf, llm, memory }[part];
if (!run) {
  process.stderr.write('name a part: cf, llm or memory\n');
  process.exit(2);
}
await run(count === undefined ? undefined : Number(count));
