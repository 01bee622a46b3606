// Says what an earlier set-up settled on, and what starts a program with it. Installs nothing.
// Run: node examples/kept.mjs
import { keptGpu } from '@crossgate/setup';

const gpu = await keptGpu();
if (gpu === undefined) console.log('no set-up has run for this Node on this machine: crossgate setup');
else console.log(`${gpu.kind}: ${gpu.adapter}\nstart ${gpu.node} with`, gpu.env);
