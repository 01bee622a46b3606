// Shows what a model folder or GGUF file holds, without a GPU.
// npm run -s example -- packages/llm/examples/inspect.mjs MODEL [TEXT]
import { openModel } from '@crossgate/llm/node';

const [path, text = 'Once upon a time'] = process.argv.slice(2);
if (!path) throw new Error('usage: inspect.mjs MODEL [TEXT]');
const model = await openModel(path);
console.log(model.config);

let parameters = 0;
for (const name of model.source.tensors.keys()) {
  // Weights arrive in chunks of at most 4 MiB, so that a model of any size fits.
  for await (const { data } of model.source.read(name)) parameters += data.length;
}
console.log(`${model.source.tensors.size} tensors, ${parameters} parameters`);

const tokenizer = await model.tokenizer();
const ids = tokenizer.encode(text, { bos: tokenizer.addsBos });
console.log(ids, tokenizer.pieces(ids), tokenizer.decode(ids, { skipSpecial: true }));
await model.close();
