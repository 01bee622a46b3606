// What bundlers for browsers find in place of @crossgate/gpu/node: a module that is not there, so that the build stops with
// the words of its name.
export * from '[crossgate] @crossgate/gpu/node runs in Node alone. In a browser, import openDevice from @crossgate/gpu.';
