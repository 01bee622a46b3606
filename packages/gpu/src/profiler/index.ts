export * from './profiler';
export * from './summary';
export * from './trace';
