// The module that verify.build.ts makes: the test files of every kernel, loaded when called.
declare module 'crossgate:kernel-tests' {
  export const kernelTests: Readonly<Record<string, readonly (() => Promise<unknown>)[]>>;
}
