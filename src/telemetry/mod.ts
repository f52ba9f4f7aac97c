/**
 * Metrics, and the HTTP listener that serves them with health and readiness.
 */

export { type HealthStatus, type MetricsHttp, startMetricsHttp } from "./http.ts";
export { Counter, Gauge, Histogram, Metrics } from "./metrics.ts";
