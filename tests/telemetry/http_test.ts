import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import {
  type MetricsHttp,
  type MetricsHttpOptions,
  startMetricsHttp,
} from "../../src/telemetry/http.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

const well = () => ({ ok: true, message: "ok" });

async function withServer(
  changes: Partial<MetricsHttpOptions>,
  run: (url: string, server: MetricsHttp) => Promise<void>,
): Promise<void> {
  const server = startMetricsHttp({
    listen: { hostname: "127.0.0.1", port: 0 },
    metrics: new Metrics(),
    health: well,
    ready: well,
    ...changes,
  });
  try {
    await run(`http://${server.address.hostname}:${server.address.port}`, server);
  } finally {
    await server.stop();
  }
}

async function get(url: string, method = "GET"): Promise<[number, string, Headers]> {
  const response = await fetch(url, { method });
  return [response.status, await response.text(), response.headers];
}

Deno.test("metrics are served as Prometheus reads them", async () => {
  const metrics = new Metrics();
  metrics.counter("wsdaemon_x_total", "X").inc();
  await withServer({ metrics }, async (url) => {
    const [status, body, headers] = await get(`${url}/metrics`);
    assertEquals(status, 200);
    assertStringIncludes(body, "wsdaemon_x_total 1\n");
    assertMatch(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  });
});

Deno.test("health and readiness are told apart, and each says why not", async () => {
  const ill = () => ({ ok: false, message: "the store is out of reach" });
  await withServer({ ready: ill }, async (url) => {
    assertEquals((await get(`${url}/healthz`)).slice(0, 2), [200, "ok\n"]);
    assertEquals((await get(`${url}/readyz`)).slice(0, 2), [503, "the store is out of reach\n"]);
  });
  await withServer({ health: ill }, async (url) => {
    assertEquals((await get(`${url}/healthz`))[0], 503);
    assertEquals((await get(`${url}/readyz`))[0], 200);
  });
});

Deno.test("other paths are 404, other methods 405", async () => {
  await withServer({}, async (url) => {
    for (const path of ["/", "/metrics/", "/__proto__", "/constructor", "/debug"]) {
      assertEquals((await get(url + path))[0], 404, path);
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      const [status, , headers] = await get(`${url}/metrics`, method);
      assertEquals([status, headers.get("allow")], [405, "GET, HEAD"]);
    }
    assertEquals((await get(`${url}/metrics`, "HEAD")).slice(0, 2), [200, ""]);
  });
});

Deno.test("a probe that throws answers 500 without saying what", async () => {
  const ready = () => {
    throw new Error("secret");
  };
  await withServer({ ready }, async (url) => {
    const [status, body] = await get(`${url}/readyz`);
    assertEquals([status, body.includes("secret")], [500, false]);
  });
});

Deno.test("a taken port is refused in one line that names it", async () => {
  await withServer({}, (_url, { address }) => {
    const again = () =>
      startMetricsHttp({ listen: address, metrics: new Metrics(), health: well, ready: well });
    const error = assertThrows(again, DaemonError);
    assertEquals(
      error.message,
      `Cannot serve metrics on 127.0.0.1:${address.port}: the port is taken by another process`,
    );
    return Promise.resolve();
  });
});
