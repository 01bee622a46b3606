/** Every name that a package exports says in a comment what it is, and so does every member of an exported type. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** Packages whose API is documented in full. */
const packages = [
  'cf',
  'collective',
  'core',
  'data',
  'eval',
  'experiment',
  'files',
  'fusion',
  'gpu',
  'hub',
  'kernels',
  'llm',
  'report',
  'serve',
  'setup',
  'tensor',
  'terminal',
];

const root = fileURLToPath(new URL('../', import.meta.url));

/** The sources of a package's entries, as its manifest names them. */
function entriesOf(name: string): string[] {
  const folder = join(root, 'packages', name);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports: Record<string, { '@crossgate/source': string }>;
  };
  return Object.values(manifest.exports).map((entry) => join(folder, entry['@crossgate/source']));
}

function programOf(entries: readonly string[]): ts.Program {
  const base = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile).config;
  const { options } = ts.convertCompilerOptionsFromJson(base.compilerOptions, root);
  return ts.createProgram([...entries], options);
}

/** What is exported by these files of a program, or a member of it, and has no comment: `file:line name`, sorted. */
function undocumented(program: ts.Program, entries: readonly string[]): string[] {
  const checker = program.getTypeChecker();
  /** By place, so that a member that several types inherit is named once. */
  const found = new Map<string, string>();

  const report = (declaration: ts.Declaration, name: string) => {
    const file = declaration.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart());
    const place = `${relative(root, file.fileName)}:${line + 1}:${declaration.getStart()}`;
    if (!found.has(place)) found.set(place, `${relative(root, file.fileName)}:${line + 1} ${name}`);
  };
  /** Its declarations in files of ours; none for what comes with the language or another library. */
  const ownDeclarations = (symbol: ts.Symbol) =>
    (symbol.declarations ?? []).filter((declaration) => !declaration.getSourceFile().isDeclarationFile);
  const isInternal = (symbol: ts.Symbol) => symbol.getJsDocTags(checker).some(({ name }) => name === 'internal');
  const isHidden = (declaration: ts.Declaration) =>
    (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
    ts.isPrivateIdentifier(ts.getNameOfDeclaration(declaration) ?? declaration);
  // The comment on top of a file speaks of the file, also where the file begins with a declaration.
  const opensFile = (declaration: ts.Declaration) => {
    const comments = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc);
    return comments.length === 1 && comments[0]!.pos === 0;
  };

  const checkMembers = (type: ts.Type, name: string) => {
    for (const member of checker.getPropertiesOfType(type)) {
      const [declaration] = ownDeclarations(member);
      // Computed names, as [Symbol.dispose], mean what the language says.
      if (!declaration || member.name.startsWith('__@') || isHidden(declaration) || isInternal(member)) continue;
      if (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Override) continue;
      if (member.getDocumentationComment(checker).length === 0) report(declaration, `${name}.${member.name}`);
      checkParameters(declaration, `${name}.${member.name}`);
    }
  };
  /** Members of the types that a function's parameters are declared with on the spot. */
  const checkParameters = (declaration: ts.Declaration, name: string) => {
    if (!ts.isFunctionLike(declaration)) return;
    for (const { type } of declaration.parameters) {
      if (type && ts.isTypeLiteralNode(type)) checkMembers(checker.getTypeFromTypeNode(type), name);
    }
  };

  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!);
    for (const exported of module ? checker.getExportsOfModule(module) : []) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const declarations = ownDeclarations(symbol);
      const [declaration] = declarations;
      if (!declaration) continue;
      const isEmpty = symbol.getDocumentationComment(checker).length === 0;
      if (isEmpty || declarations.every(opensFile)) report(declaration, symbol.name);
      for (const one of declarations) {
        checkParameters(one, symbol.name);
        const isObject = ts.isTypeAliasDeclaration(one) && ts.isTypeLiteralNode(one.type);
        if (ts.isInterfaceDeclaration(one) || ts.isClassDeclaration(one) || isObject) {
          checkMembers(checker.getDeclaredTypeOfSymbol(symbol), symbol.name);
        }
      }
    }
  }
  return [...found.values()].sort();
}

describe('all that it exports is documented', () => {
  // One program: each by itself would read those below it again and again.
  const program = programOf(packages.flatMap(entriesOf));
  it.each(packages)('@crossgate/%s', (name) => expect(undocumented(program, entriesOf(name))).toEqual([]));
});

it('names what has no comment: exports, and members of types, inherited ones and those of parameters too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'crossgate-documented-'));
  try {
    const entry = join(folder, 'index.ts');
    const parts = join(folder, 'parts.ts');
    writeFileSync(entry, "export * from './parts';\nexport { renamed as other } from './parts';\n");
    const text = `/** A comment of the file. */
export const first = 1;
/** Said. */
export const second = 2;
interface Base { bare: number;
  /** Said. */
  said: number;
}
/** Said. */
export interface Shape extends Base { own: number;
  /** @internal */
  inner: number;
}
/** Said. */
export class Thing {
  #hidden = 0;
  private secret = this.#hidden;
  /** Said. */ get value() { return this.secret; }
  method() {}
  constructor(readonly part: number,
    /** Said. */
    readonly whole: number) {}
  [Symbol.dispose]() {}
}
/** Said. */
export function call(args: { readonly count: number;
  /** Said. */
  readonly size: number;
}) { return args; }
/** @throws Error without a word. */
export function renamed() {}
/** Said. */
export type Alias = { field: number };
/** Said. */
export class Failure extends Error { override name = 'Failure'; }
function inside() {}
inside();
`;
    writeFileSync(parts, text);
    const line = (start: string) => text.slice(0, text.indexOf(start)).split('\n').length;
    const at = (start: string, name: string) => `${relative(root, parts)}:${line(start)} ${name}`;
    expect(undocumented(programOf([entry]), [entry])).toEqual(
      [
        at('export const first', 'first'),
        at('interface Base', 'Shape.bare'),
        at('export interface Shape', 'Shape.own'),
        at('  method()', 'Thing.method'),
        at('  constructor', 'Thing.part'),
        at('export function call', 'call.count'),
        at('export function renamed', 'renamed'),
        at('export type Alias', 'Alias.field'),
      ].sort(),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
