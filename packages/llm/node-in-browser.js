// What bundlers for browsers find in place of @crossgate/llm/node: a module that is not there, so that the build stops with
// the words of its name.
export * from '[crossgate] @crossgate/llm/node runs in Node alone. In a browser, import httpFolder and openModelFolder from @crossgate/llm.';
