export {
  type Baseline,
  type BaselineName,
  type BaselineOptions,
  baselines,
  type InformationClass,
  scoreBaseline,
} from './baselines';
