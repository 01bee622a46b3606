// Writes the reference of the packages' API as Markdown, one page for each entry, from the docstrings of the sources.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Application, Converter, ReferenceType, ReflectionKind } from 'typedoc';

/**
 * @typedef {{ name: string, source: string }} Entry an entry of a package: its specifier and its source file, from the
 *   root of the checkout
 */

/**
 * Names a type that the compiler derives from a schema, where it has written out all of it: `ExperimentConfig`.
 * @param {import('typedoc').ProjectReflection} project
 */
function nameDerivedTypes(project) {
  const alias = project.getReflectionsByKind(ReflectionKind.TypeAlias).find(({ name }) => name === 'ExperimentConfig');
  const marks = ['method', 'cf', 'llm', 'training', 'evaluation'];
  for (const reflection of Object.values(project.reflections)) {
    if (!alias || reflection === alias || !('type' in reflection)) continue;
    const declared = /** @type {import('typedoc').ParameterReflection} */ (reflection);
    if (declared.type?.type !== 'reflection') continue;
    const names = (declared.type.declaration.children ?? []).map(({ name }) => name);
    if (!marks.every((mark) => names.includes(mark))) continue;
    project.removeTypeReflections(declared.type);
    declared.type = ReferenceType.createResolvedReference(alias.name, alias, project);
  }
}

/**
 * Writes `out/NAME.md` for each entry, and `out/index.md`.
 * @param {{ root: string, out: string, entries: readonly Entry[], declarations: readonly string[], lines?: string }} options
 *   `declarations`: further files that the compiler needs, from the root; `lines`: template of an address of a line of a
 *   source, with {path} and {line}; without it, the pages do not say where something is declared
 * @throws {Error} when a source does not compile, or an export has no docstring
 */
export async function writeReference({ root, out, entries, declarations, lines }) {
  await rm(out, { recursive: true, force: true });
  const tsconfig = `${out}.tsconfig.json`;
  await mkdir(dirname(tsconfig), { recursive: true });
  const files = [...entries.map(({ source }) => source), ...declarations].map((path) => join(root, path));
  const compilerOptions = { allowJs: true, checkJs: true };
  await writeFile(tsconfig, JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, files }));
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(({ source }) => join(root, source)),
    tsconfig,
    plugin: ['typedoc-plugin-markdown'],
    outputs: [{ name: 'markdown', path: out }],
    router: 'module',
    entryFileName: 'index',
    name: 'API',
    readme: 'none',
    basePath: root,
    disableGit: true,
    ...(lines === undefined ? { disableSources: true } : { sourceLinkTemplate: lines, gitRevision: 'none' }),
    excludeInternal: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeExternals: true,
    sort: ['source-order'],
    // Types that the compiler derives from a schema would fill pages.
    maxTypeConversionDepth: 2,
    hidePageHeader: true,
    hideBreadcrumbs: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    // Shapes in brackets, such as `[users + 1]: …`, look like links to files.
    validation: { notExported: false, invalidLink: true, invalidPath: false, notDocumented: true },
    requiredToBeDocumented: ['Enum', 'Variable', 'Function', 'Class', 'Interface', 'TypeAlias', 'Method', 'Accessor'],
    treatValidationWarningsAsErrors: true,
    logLevel: 'Warn',
  });
  const points = app.getEntryPoints() ?? [];
  for (const point of points) {
    const entry = entries.find(({ source }) => join(root, source) === point.sourceFile.fileName);
    if (entry) point.displayName = entry.name;
  }
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => nameDerivedTypes(project));
  const project = app.converter.convert(points);
  app.validate(project);
  await app.generateOutputs(project);
  // The lines above say what is wrong: they name the export and its file.
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('the API reference has faults, see above');
}
