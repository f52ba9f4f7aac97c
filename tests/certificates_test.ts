import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  certificateExpiries,
  checkTlsMaterial,
  EXPIRY_WARNING_MS,
  expiryWarning,
} from "../src/certificates.ts";
import { CertificateWatch } from "../src/daemon/certificate_watch.ts";
import { DaemonMetrics } from "../src/daemon/daemon_metrics.ts";
import { DaemonError } from "../src/errors.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { ManualClock } from "./fixtures/clock.ts";
import { captureLogs } from "./fixtures/logs.ts";
import { tlsTest } from "./rpc/tls_fixture.ts";

const DAY = 86_400_000;

tlsTest("a certificate serves until it ends, and is warned of 14 days before", (all) => {
  const { server: material } = all;
  const [first] = certificateExpiries(material);
  const { notBefore, notAfter } = first!;
  checkTlsMaterial(material, notAfter - 1);
  assertThrows(() => checkTlsMaterial(material, notAfter), DaemonError, "expired on");
  const old = { ...first!, notBefore: 0 };
  assertEquals(expiryWarning(old, notAfter - EXPIRY_WARNING_MS - 1), undefined);
  assertStringIncludes(expiryWarning(old, notAfter - EXPIRY_WARNING_MS)!, "in 14 days");
  assertStringIncludes(expiryWarning(first!, notAfter)!, "expired on");
  assertStringIncludes(expiryWarning(first!, notBefore - DAY)!, "check this node's clock");
  return Promise.resolve();
});

tlsTest("of several authorities of clients, one that lasts is enough", (all) => {
  const { ca, server, expired } = all;
  const clientCa = new Uint8Array([...expired.cert, ...ca]);
  checkTlsMaterial({ ...server, clientCa }, Date.now());
  const [first] = certificateExpiries({ ...server, clientCa });
  assertEquals([first!.part, first!.subject], ["clientCa", "CN=expired"]);
  return Promise.resolve();
});

tlsTest(
  "certificates that end soon are warned of each day, and served as a metric",
  async (all) => {
    using logs = captureLogs();
    const [{ notAfter } = { notAfter: 0 }] = certificateExpiries(all.server);
    const clock = new ManualClock();
    clock.now = () => notAfter - DAY;
    const metrics = new Metrics();
    await using watch = new CertificateWatch(clock, new DaemonMetrics(metrics, () => 0));
    watch.start(all.server);
    const warnings = () => logs.text.split("CN=server").length - 1;
    assertEquals(warnings(), 0);
    await clock.wakeAll();
    await clock.asleep();
    assertEquals(warnings(), 1);
    watch.uses(all.server);
    assertEquals(warnings(), 2);
    assertStringIncludes(
      await metrics.text(),
      `wsdaemon_tls_certificate_expiry_timestamp_seconds{part="cert"} ${notAfter / 1000}`,
    );
  },
);
