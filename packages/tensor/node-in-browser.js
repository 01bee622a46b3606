// What bundlers for browsers find in place of @crossgate/tensor/node: a module that is not there, so that the build stops with
// the words of its name.
export * from '[crossgate] @crossgate/tensor/node runs in Node alone. In a browser, import httpSource or blobSource from @crossgate/tensor.';
