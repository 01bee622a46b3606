// A table of metrics, and a picture of a training, from plain records.
import { drawRun, metricsTable } from '@crossgate/report';

const records = [1, 2, 3, 4].map((step) => ({ phase: 'cf', step, loss: 1 / step, validAuc: 0.5 + 0.04 * step }));
const svg = await drawRun('example', records);
console.log(`a picture of ${svg.length} characters`);
const metrics = { rows: 4, positives: 2, users: 2, auc: 0.75, auc95: [0.3, 1], uauc: 0.5, uaucUsers: 1, logLoss: 0.6 };
console.log(metricsTable({ test: metrics }));
