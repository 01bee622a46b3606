/** The script of the page is imported as its text, by the build and by tests alike. */
declare const text: string;
export default text;
