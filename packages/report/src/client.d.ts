/** Scripts of pages are imported as their text, by the build and by tests alike. */
declare module '*.client.js' {
  const text: string;
  export default text;
}
