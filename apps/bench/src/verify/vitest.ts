/**
 * Stands in for vitest where the kernels' tests run without it: collects tests and runs them in order. `expect` is
 * vitest's own. What the stand-in does not know fails loudly when it is called, since it is not there.
 */
import { type ExpectStatic, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect';
import * as chai from 'chai';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export const expect = chai.expect as unknown as ExpectStatic;

type Body = (context: { skip: (note?: string) => never }) => unknown;
type Hook = () => unknown;
const hookNames = ['beforeAll', 'afterAll', 'beforeEach', 'afterEach'] as const;

interface Suite {
  readonly name: string;
  readonly parent: Suite | null;
  readonly children: (Suite | Test)[];
  readonly hooks: Readonly<Record<(typeof hookNames)[number], Hook[]>>;
  readonly skipped: boolean;
}

interface Test {
  readonly name: string;
  readonly body: Body;
  readonly skipped: boolean;
  readonly timeout: number;
}

/** What happens around a test; all calls for one test come between its `start` and its `end`. */
export interface Listener {
  start(name: string): void;
  /** `error` is what the test threw, `skipped` why it did not run. */
  end(outcome: { readonly error?: unknown; readonly skipped?: string }): void;
}

const defaultTimeout = 120_000;

function newSuite(name: string, parent: Suite | null, skipped = false): Suite {
  return { name, parent, children: [], hooks: { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] }, skipped };
}

let root = newSuite('', null);
let current = root;
/** A test that did not end still uses the GPU and records comparisons: none is started after it. */
let stopped = false;

/** Forgets all tests; those of modules loaded from now on are collected. */
export function clearTests(): void {
  root = newSuite('', null);
  current = root;
}

/** How many tests were collected. */
export function countTests(suite: Suite = root): number {
  return suite.children.reduce((sum, child) => sum + ('children' in child ? countTests(child) : 1), 0);
}

class SkipError extends Error {
  override name = 'SkipError';
}

/** Fills a title as vitest does: %s and its like in order, $key and $a.b from an object. */
export function formatTitle(title: string, values: readonly unknown[]): string {
  const show = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
  let next = 0;
  const filled = title.replace(/%[sdifjo%]/g, (mark) => (mark === '%%' ? '%' : show(values[next++])));
  const [first] = values;
  if (typeof first !== 'object' || first === null) return filled;
  return filled.replace(/\$([\w.]+)/g, (_, path: string) =>
    show(path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], first)),
  );
}

/** `it(name, body, timeout)`, `it(name, { timeout }, body)`: the order vitest takes. */
function readArguments<F>(args: readonly unknown[]): { body: F; timeout: number } {
  const body = args.find((argument) => typeof argument === 'function') as F;
  const option = args.find((argument) => typeof argument !== 'function');
  const timeout = typeof option === 'number' ? option : (option as { timeout?: number } | undefined)?.timeout;
  return { body, timeout: timeout ?? defaultTimeout };
}

type Declare = (name: string, ...args: unknown[]) => void;

/** Adds `.each`, `.skip`, `.skipIf` and `.runIf` to a function that declares a test or a group. */
function withModifiers(declare: (skipped: boolean) => Declare) {
  const make = (skipped: boolean) =>
    Object.assign(declare(skipped), {
      each:
        (cases: readonly unknown[]) =>
        (title: string, ...args: unknown[]) => {
          const { body, timeout } = readArguments<(...values: unknown[]) => unknown>(args);
          for (const one of cases) {
            const values = Array.isArray(one) ? one : [one];
            declare(skipped)(formatTitle(title, values), () => body(...values), timeout);
          }
        },
    });
  return Object.assign(make(false), {
    skip: make(true),
    skipIf: (condition: unknown) => make(Boolean(condition)),
    runIf: (condition: unknown) => make(!condition),
  });
}

export const describe = withModifiers((skipped) => (name, ...args) => {
  const { body } = readArguments<() => unknown>(args);
  const suite = newSuite(name, current, skipped || current.skipped);
  current.children.push(suite);
  current = suite;
  try {
    if (body() instanceof Promise) throw new Error(`describe('${name}') is asynchronous; collect its cases before`);
  } finally {
    current = suite.parent!;
  }
});

export const it = withModifiers((skipped) => (name, ...args) => {
  const { body, timeout } = readArguments<Body>(args);
  current.children.push({ name, body, timeout, skipped: skipped || current.skipped });
});

export const test = it;

const addHook = (name: (typeof hookNames)[number]) => (hook: Hook) => void current.hooks[name].push(hook);
export const beforeAll = addHook('beforeAll');
export const afterAll = addHook('afterAll');
export const beforeEach = addHook('beforeEach');
export const afterEach = addHook('afterEach');

/** Runs all collected tests, one after another; a test that fails does not stop the others. */
export async function runTests(listener: Listener): Promise<void> {
  await runSuite(root, [], listener);
}

async function runSuite(suite: Suite, path: readonly string[], listener: Listener): Promise<void> {
  const here = suite.name === '' ? path : [...path, suite.name];
  let broken: unknown;
  if (!suite.skipped) broken = await runHooks(suite.hooks.beforeAll);
  for (const child of suite.children) {
    if ('children' in child) await runSuite(child, here, listener);
    else {
      listener.start([...here, child.name].join(' > '));
      listener.end(broken === undefined ? await runTest(suite, child) : { error: broken });
    }
  }
  if (suite.skipped) return;
  const error = await runHooks(suite.hooks.afterAll);
  if (error === undefined) return;
  listener.start([...here, 'afterAll'].join(' > '));
  listener.end({ error });
}

/** Runs hooks in order and returns what the first failing one threw. */
async function runHooks(hooks: readonly Hook[]): Promise<unknown> {
  try {
    for (const hook of hooks) await hook();
    return undefined;
  } catch (error) {
    return error ?? new Error('a hook threw nothing');
  }
}

async function runTest(suite: Suite, { body, timeout, skipped }: Test): Promise<Parameters<Listener['end']>[0]> {
  if (skipped) return { skipped: 'left out by its test' };
  if (stopped) return { error: new Error('not run: a test before it did not end') };
  const line: Suite[] = [];
  for (let at: Suite | null = suite; at !== null; at = at.parent) line.unshift(at);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      stopped = true;
      reject(new Error(`no end after ${timeout / 1000} s`));
    }, timeout);
  });
  const skip = (note = 'left out by its test'): never => {
    throw new SkipError(note);
  };
  try {
    const before = await runHooks(line.flatMap(({ hooks }) => hooks.beforeEach));
    if (before !== undefined) throw before;
    await Promise.race([Promise.resolve(body({ skip })), late]);
    return {};
  } catch (error) {
    return error instanceof SkipError ? { skipped: error.message } : { error: error ?? new Error('threw nothing') };
  } finally {
    clearTimeout(timer);
    await runHooks(line.reverse().flatMap(({ hooks }) => hooks.afterEach));
  }
}
