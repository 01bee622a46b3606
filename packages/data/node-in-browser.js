// What bundlers for browsers find in place of @crossgate/data/node: a module that is not there, so that the build stops with
// the words of its name.
export * from '[crossgate] @crossgate/data/node runs in Node alone. In a browser, import buildCsv with memorySource, or readDatasetFile, from @crossgate/data.';
