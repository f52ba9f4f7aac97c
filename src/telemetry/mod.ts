/**
 * Metrics, and the HTTP listener that serves them with health and readiness.
 */

export {
  type HealthStatus,
  type MetricsHttp,
  type MetricsHttpOptions,
  startMetricsHttp,
} from "./http.ts";
export { measureEventLoopDelay } from "./event_loop.ts";
export { serveProcessMetrics } from "./process_metrics.ts";
export { Counter, Gauge, Histogram, Metrics } from "./metrics.ts";
