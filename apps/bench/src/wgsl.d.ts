/** WGSL files are imported as their text, by the build and by tests alike. */
declare module '*.wgsl' {
  const text: string;
  export default text;
}
