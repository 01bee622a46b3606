/** What `/metrics` shows, in a registry of its own, so that several servers in one process do not meet. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Effort } from './queue';

/** Upper ends of the buckets of times, in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts and times of one server. */
export class Metrics {
  /** In the format of Prometheus. */
  readonly registry = new Registry();
  readonly #requests: Counter;
  readonly #seconds: Histogram;
  readonly #calls: Histogram;
  readonly #asks: Counter;
  readonly #degraded: Counter;
  readonly #refused: Counter;
  readonly #events: Counter;

  /**
   * @param waiting gives the asks that wait for the model
   * @param ready gives whether the server can recommend
   */
  constructor(waiting: () => number, ready: () => boolean, processMetrics: boolean) {
    const registers = [this.registry];
    this.#requests = new Counter({
      ...{ name: 'crossgate_requests_total', help: 'Requests by endpoint and status.', registers },
      labelNames: ['endpoint', 'status'],
    });
    this.#seconds = new Histogram({
      ...{ name: 'crossgate_request_seconds', help: 'Time from the headers to the answer.', registers, buckets },
      labelNames: ['endpoint'],
    });
    this.#calls = new Histogram({
      ...{ name: 'crossgate_model_call_seconds', help: 'Time of a call of the model.', registers, buckets },
      labelNames: ['task', 'effort'],
    });
    this.#asks = new Counter({
      ...{ name: 'crossgate_model_asks_total', help: 'Requests that calls of the model answered.', registers },
      labelNames: ['task', 'effort'],
    });
    this.#degraded = new Counter({
      ...{ name: 'crossgate_degraded_total', help: 'Requests that CF answered alone for want of time.', registers },
      labelNames: ['task'],
    });
    this.#refused = new Counter({
      ...{ name: 'crossgate_refused_total', help: 'Refusals by code.', registers },
      labelNames: ['code'],
    });
    this.#events = new Counter({
      ...{ name: 'crossgate_events_total', help: 'Events by whether they were new.', registers },
      labelNames: ['known'],
    });
    new Gauge({
      ...{ name: 'crossgate_queue_waiting', help: 'Requests that wait for the model.', registers },
      collect() {
        this.set(waiting());
      },
    });
    new Gauge({
      ...{ name: 'crossgate_ready', help: '1: can recommend; 0: stops, or lost its GPU.', registers },
      collect() {
        this.set(ready() ? 1 : 0);
      },
    });
    if (processMetrics) collectDefaultMetrics({ register: this.registry });
  }

  /** A request was answered. */
  onRequest(endpoint: string, status: number, ms: number): void {
    this.#requests.inc({ endpoint, status });
    this.#seconds.observe({ endpoint }, ms / 1000);
  }

  /** A request was refused. */
  onRefusal(code: string): void {
    this.#refused.inc({ code });
  }

  /** See `QueueWatcher`. */
  onCall(task: string, effort: Effort, asks: number, ms: number): void {
    this.#calls.observe({ task, effort }, ms / 1000);
    this.#asks.inc({ task, effort }, asks);
  }

  /** See `QueueWatcher`. */
  onDegrade(task: string): void {
    this.#degraded.inc({ task });
  }

  /** Events were taken. */
  onEvents({ accepted, duplicates }: { readonly accepted: number; readonly duplicates: number }): void {
    this.#events.inc({ known: 'new' }, accepted);
    this.#events.inc({ known: 'duplicate' }, duplicates);
  }
}
