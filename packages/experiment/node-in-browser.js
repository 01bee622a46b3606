// What bundlers for browsers find in place of @crossgate/experiment: a module that is not there, so that the build stops
// with the words of its name.
export * from '[crossgate] @crossgate/experiment runs in Node alone. In a browser, import openRunFolder from @crossgate/experiment/live.';
