// Continues a text on the GPU, taking the likeliest token each time.
// npm run -s example -- packages/llm/examples/generate.mjs MODEL [TEXT] [TOKENS]
import { openDevice } from '@crossgate/gpu/node';
import { generate, LlamaModel } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';

const [path, text = 'Once upon a time', tokens = '24'] = process.argv.slice(2);
if (!path) throw new Error('usage: generate.mjs MODEL [TEXT] [TOKENS]');
const files = await openModel(path);
const tokenizer = await files.tokenizer();
const device = await openDevice();
const model = await LlamaModel.load(device, files.source);
await files.close();

const prompt = tokenizer.encode(text, { bos: true });
const added = await generate(model, prompt, { maxNewTokens: Number(tokens) });
console.log(tokenizer.decode([...prompt, ...added], { skipSpecial: true }));
model.release();
await device.destroy();
