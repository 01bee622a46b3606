// The entry of the root scripts: brings a checkout into working order (dependencies, build, GPU) and starts the
// command. Everything written here goes to standard error; standard output belongs to the command.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Node 20.19 or newer is needed, this is ${process.versions.node}\n`);
  process.exit(1);
}

// Loaded only now: older versions of Node cannot read these files.
const { prepareCheckout } = await import('./workspace/prepare.mjs');
const { mayNeedGpu } = await import('../packages/setup/src/gpu-free.mjs');
const { findScript, forScripts, runPnpm, start } = await import('./workspace/start.mjs');
const { setupCommand } = await import('./setup/command.mjs');
const { NoGpuError, resolveGpu } = await import('../packages/setup/src/resolve.mjs');
const { testCommand } = await import('./workspace/test.mjs');
const { checkTypes } = await import('./workspace/types.mjs');

/** Programs of the checkout by the name of their script, with the arguments that come first. */
const programs = /** @type {Record<string, string[]>} */ ({
  crossgate: ['apps/train/dist/main.js'],
  demo: ['apps/train/dist/main.js', 'demo'],
  bench: ['apps/bench/dist/main.js'],
  web: ['apps/web/dist/main.js'],
});

async function main(/** @type {string} */ name, /** @type {string[]} */ args) {
  if (name === 'setup') {
    await prepareCheckout({ build: false });
    return setupCommand(args);
  }
  if (name === 'test') return testCommand(args);
  if (name === 'bundle') {
    await prepareCheckout({ build: false });
    // It needs esbuild, a dependency.
    const { bundleCommand } = await import('./bundle/index.mjs');
    return bundleCommand(args);
  }
  if (name === 'site') {
    const { siteCommand } = await import('./site/command.mjs');
    return siteCommand(args);
  }
  if (name === 'check-packages') {
    await prepareCheckout({ build: false });
    const { checkPackagesCommand } = await import('./workspace/check-packages.mjs');
    return checkPackagesCommand(args);
  }
  // Both read the lockfile with the pnpm that wrote it.
  if (name === 'sbom') {
    const out = args.includes('--out') ? [] : ['--out', 'sbom.cdx.json'];
    return runPnpm(['sbom', '--prod', '--sbom-format', 'cyclonedx', ...out, ...args]);
  }
  if (name === 'audit') return runPnpm(['audit', '--prod', ...args]);
  if (name === 'build') {
    await prepareCheckout({ build: true, declarations: true });
    return 0;
  }
  if (name === 'types') {
    await prepareCheckout({ build: false });
    return checkTypes();
  }
  // `npm run example -- FILE ARGS` starts any script, TypeScript too, as the programs are started.
  let [program, ...rest] = name === 'example' ? args : [...(programs[name] ?? []), ...args];
  if (!program || (name !== 'example' && !programs[name])) {
    const known = `test, build, bundle, site, check-packages, sbom, audit, types, setup, example FILE, ${Object.keys(programs).join(', ')}`;
    process.stderr.write(`run.mjs: unknown script '${name}', or no file given; known: ${known}\n`);
    return 2;
  }
  if (name === 'example') {
    try {
      program = await findScript(program);
    } catch (error) {
      process.stderr.write(`example: ${/** @type {Error} */ (error).message}\n`);
      return 2;
    }
  }
  await prepareCheckout({ build: true });
  const plain = { node: process.execPath, env: {} };
  // The page computes on the GPU of the browser.
  const gpu = name !== 'web' && mayNeedGpu(name, args) ? await findGpu(plain) : plain;
  return start(gpu, program, rest, name === 'example' ? forScripts : []);
}

/** The GPU, or without one `plain`: the program itself knows whether it needs one, and says so in its own way. */
async function findGpu(/** @type {{ node: string, env: Record<string, string> }} */ plain) {
  try {
    return (await resolveGpu()).gpu;
  } catch (error) {
    if (!(error instanceof NoGpuError)) throw error;
    process.stderr.write(`setup: ${error.message}\n`);
    return plain;
  }
}

try {
  const [name = '', ...args] = process.argv.slice(2);
  process.exitCode = await main(name, args);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`${error.name === 'NoGpuError' ? 'setup: ' : ''}${error.message}\n`);
  process.exitCode = error.name === 'NoGpuError' ? 3 : 1;
}
