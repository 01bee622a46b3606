// WGSL pieces that several kernels share, by the name under which `#include` finds them.
export const includes: Readonly<Record<string, string>> = {};
