/** A peer of tests, as a script: it computes LayerNorm itself, so that files and layouts are checked; or it misbehaves. */
export const fakePeer = `
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const mode = process.argv.at(-1);
const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\\n');
if (mode === 'silent') setInterval(() => {}, 1000);
else if (mode === 'absent') say({ absent: 'nothing here' });
else {
  process.stdout.write('a library greets on standard output\\n');
  say({ version: mode === 'numbered' ? String(process.pid) : '9.9', device: 'fake GPU', ops: ['layerNorm'] });
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => answer(JSON.parse(line)));
}
const load = (folder, { file }) => {
  const bytes = readFileSync(join(folder, file));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};
function answer(request) {
  if (request.do === 'drop') return say({});
  if (mode === 'hangs') return;
  if (mode === 'garbles') return process.stdout.write('{ "ms": \\n');
  if (mode === 'dies') { console.error('out of memory'); process.exit(7); }
  if (mode === 'refuses') return say({ problem: 'no room' });
  if (request.do === 'time') return say({ ms: (request.way === 'fast' ? 1 : 2) * request.calls, processor: 3 * request.calls });
  if (mode === 'fails') return say({ ways: {}, failed: { float64: 'Invalid array length' } });
  const [x, weight, bias] = ['x', 'weight', 'bias'].map((name) => load(request.folder, request.inputs[name]));
  const columns = weight.length;
  const out = x.map((_, i) => {
    const row = x.subarray(i - (i % columns), i - (i % columns) + columns);
    const mean = row.reduce((sum, value) => sum + value, 0) / columns;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / columns;
    const value = ((x[i] - mean) / Math.sqrt(variance + request.settings.epsilon)) * weight[i % columns] + bias[i % columns];
    return mode === 'wrong' ? -value : value;
  });
  writeFileSync(join(request.folder, process.pid + '.bin'), out);
  const files = { out: { file: process.pid + '.bin', shape: request.inputs.x.shape, dtype: 'f32' } };
  say({ ways: { slow: files, fast: files, float64: files } });
}
`;
