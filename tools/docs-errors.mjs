// Writes docs/errors.md from the registry of codes and the throw sites of the source. Run: node tools/docs-errors.mjs
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../', import.meta.url));
const registryPath = 'packages/core/src/codes.ts';

/**
 * The syntax tree of a file.
 * @param {string} path from the root of the checkout
 */
const parse = (path) => ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true);

/**
 * The registry: code to meaning, in its order.
 * @returns {Map<string, string>}
 */
export function readCodes() {
  /** @type {Map<string, string>} */
  const codes = new Map();
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isPropertyAssignment(node) && ts.isStringLiteralLike(node.initializer)) {
      const { name } = node;
      if (ts.isIdentifier(name) || ts.isStringLiteral(name)) codes.set(name.text, node.initializer.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(registryPath));
  return codes;
}

/** Source files of packages and apps, from the root of the checkout, without tests and the registry. */
function sourceFiles() {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((name) => {
      const folder = `${group}/${name}/src`;
      return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
        .filter((file) => /(?<!\.test|\.d)\.ts$/.test(file) && file !== registryPath)
        .sort();
    }),
  );
}

/**
 * Where an `InputError` is made without a code: `file:line`. Details that are handed on count as having one.
 * @param {Record<string, string>} [texts] sources by path, for tests; those of packages and apps without
 */
export function uncoded(texts) {
  /** @type {string[]} */
  const found = [];
  const trees = texts
    ? Object.entries(texts).map(([path, text]) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
    : sourceFiles().map(parse);
  for (const tree of trees) {
    /** @param {ts.Node} node */
    const visit = (node) => {
      if (ts.isNewExpression(node) && node.expression.getText() === 'InputError') {
        const details = node.arguments?.[1];
        const names = details && ts.isObjectLiteralExpression(details) ? details.properties : undefined;
        const hasCode = names?.some((property) => !property.name || property.name.getText() === 'code');
        if (details === undefined || hasCode === false) {
          found.push(`${tree.fileName}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  return found;
}

/**
 * Which classes carry each code: `new X(…, { code })`, `super(…, { code })`, and the default that a class hands to
 * `super`. A code given elsewhere (errors of the system) has an empty set of classes.
 * @returns {Map<string, Set<string>>} codes used in the source
 */
export function usedCodes(codes = readCodes()) {
  /** @type {Map<string, Set<string>>} */
  const used = new Map();
  /** @param {string} path */
  const scan = (path) => {
    /** @param {ts.Node} node */
    const visit = (node) => {
      if (ts.isStringLiteral(node) && codes.has(node.text)) {
        const holder = holderOf(node);
        if (holder !== undefined) {
          const classes = used.get(node.text) ?? new Set();
          if (holder !== '') classes.add(holder);
          used.set(node.text, classes);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(parse(path));
  };
  for (const path of sourceFiles()) scan(path);
  return used;
}

/**
 * The class of the error that a literal is the code of; '' where it is the code of no class, undefined where it is no
 * code.
 * @param {ts.StringLiteral} literal
 */
function holderOf(literal) {
  const { parent } = literal;
  const asDetail =
    ts.isPropertyAssignment(parent) && parent.name.getText() === 'code' && parent.initializer === literal;
  const asDefault = ts.isParameter(parent) && parent.name.getText() === 'defaultCode';
  const asArgument = ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.SuperKeyword;
  if (asDefault || asArgument) return className(parent);
  if (!asDetail) return ts.isConditionalExpression(parent) ? '' : undefined;
  const call = parent.parent.parent;
  if (ts.isNewExpression(call)) return call.expression.getText();
  return ts.isCallExpression(call) && call.expression.kind === ts.SyntaxKind.SuperKeyword ? className(call) : '';
}

/** @param {ts.Node} node */
function className(node) {
  /** @type {ts.Node | undefined} */
  let at = node;
  while (at !== undefined && !ts.isClassDeclaration(at)) at = at.parent;
  return at?.name?.text ?? '';
}

/** Exit codes by class; every other class ends with 1. */
const exits = new Map([
  ['InputError', 2],
  ['NoAdapterError', 3],
  ['InterruptedError', 130],
]);

/** Codes that errors of the system get, without a class of ours, and their exit codes. */
const ofSystem = new Map([
  ['file.path', 2],
  ['file.disk', 1],
  ['interrupted', 130],
  ['failed', 1],
]);

/** The page. */
export function errorsPage() {
  const codes = readCodes();
  const used = usedCodes(codes);
  const rows = [...codes].map(([code, meaning]) => {
    const classes = [...(used.get(code) ?? [])].sort();
    const numbers = new Set(classes.map((name) => exits.get(name) ?? 1));
    const system = ofSystem.get(code);
    if (system !== undefined) numbers.add(system);
    const names = classes.length > 0 ? classes.map((name) => `\`${name}\``).join(', ') : 'of the system';
    return `| \`${code}\` | ${meaning} | ${[...numbers].sort((a, b) => a - b).join(', ')} | ${names} |`;
  });
  return `<!-- Made by tools/docs-errors.mjs from ${registryPath}; change that and run it. -->

# Errors

An error of Crossgate says what is wrong, where, and what to do about it. For people it is one line on standard error:
\`error: place: problem; fix\`. With \`--json\` a command that fails prints this on standard output besides:

\`\`\`json
{
  "error": {
    "code": "config.unknown-key",
    "message": "run.yaml:3:1: unknown key sed (did you mean seed?)",
    "fix": "see \`crossgate config schema\`"
  }
}
\`\`\`

\`fix\` is left out where there is no remedy to name. In TypeScript all are a \`CrossgateError\` of \`@crossgate/core\`
with \`code\`, \`fix\`, \`place\` and a whole \`message\`, and \`explainError\` gives what \`--json\` prints. Codes are stable:
rely on them, not on the words. Exit codes: 0 done, 1 failed, 2 input to change, 3 no GPU, 130 interrupted.

Answers of \`crossgate serve\` have [codes of their own](../packages/serve/README.md#refusals).

| code | meaning | exit code | class |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, 'docs/errors.md'), errorsPage());
