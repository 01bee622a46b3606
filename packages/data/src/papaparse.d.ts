/**
 * What we use of Papa Parse. `@types/papaparse` describes all of it, and with it the types of Node, which would hide from
 * the compiler that a file meant for browsers uses something of Node's.
 */
declare module 'papaparse' {
  namespace Papa {
    /** A complaint about quotes. */
    interface Problem {
      readonly code: 'MissingQuotes' | 'InvalidQuotes';
    }
    /** One row: its fields, and where the next one begins in the text. */
    interface Step {
      readonly data: string[];
      readonly errors: readonly Problem[];
      readonly meta: { readonly cursor: number };
    }
    interface Options {
      readonly delimiter: string;
      readonly newline: string;
    }
    function parse(text: string, options: Options): { data: string[][]; errors: readonly Problem[] };
    function parse(text: string, options: Options & { readonly step: (row: Step) => void }): void;
  }
  export default Papa;
}
