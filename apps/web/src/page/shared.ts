/** The parts of a page that the page of a served run has too. */
export * from '../../../../packages/serve/page/src/shared';
