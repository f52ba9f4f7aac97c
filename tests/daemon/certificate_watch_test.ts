import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { readTlsMaterial } from "../../src/certificates.ts";
import { CertificateWatch } from "../../src/daemon/certificate_watch.ts";
import { DaemonMetrics } from "../../src/daemon/daemon_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { tlsTest } from "../rpc/tls_fixture.ts";
import { testFolder } from "../fixtures/folder.ts";

const DAY = 86_400_000;

tlsTest(
  "a certificate in use is told of before it ends, and at the moment that it does",
  async (certificates) => {
    using logs = captureLogs();
    using folder = testFolder();
    const files = { cert: join(folder.path, "n.pem"), key: join(folder.path, "n.key") };
    await Deno.writeFile(files.cert, certificates.server.cert);
    await Deno.writeFile(files.key, certificates.server.key);
    const clock = new ManualClock();
    let now = Date.now();
    clock.now = () => now;
    const metrics = new Metrics();
    await using watch = new CertificateWatch(clock, new DaemonMetrics(metrics, () => 0));
    watch.start(readTlsMaterial(files));
    const [{ notAfter, path, subject }] = watch.certificates() as [
      ReturnType<typeof watch.certificates>[number],
    ];
    assertEquals([path, subject], [files.cert, "CN=server"]);
    assertEquals(watch.problems().map(({ reason, part }) => [reason, part]), [
      ["CERTIFICATE_EXPIRES", "cert"],
    ]);

    // It does not wait a day where one ends sooner.
    now = notAfter - DAY / 2;
    await clock.wakeAll();
    await until("it waits for the end", () => clock.slept.at(-1) === DAY / 2);
    assertMatch(logs.text, /\[WRN\].*CN=server.*expires on/);
    now = notAfter;
    await clock.wakeAll();
    await until("it is told of", () => logs.text.includes("expired on"));
    assertMatch(logs.text, /\[ERR\].*CN=server.*expired on/);
    const [problem] = watch.problems();
    assertEquals(problem?.reason, "CERTIFICATE_EXPIRED");
    assertStringIncludes(problem!.message, files.cert);
  },
);

tlsTest(
  "certificates that SIGHUP found in vain are a problem until others are used",
  async (certificates) => {
    const clock = new ManualClock();
    clock.now = () => Date.now() - 30 * DAY;
    const metrics = new Metrics();
    await using watch = new CertificateWatch(clock, new DaemonMetrics(metrics, () => 0));
    const { cert, key } = certificates.server;
    watch.start({ cert, key });
    assertStringIncludes(await metrics.text(), "wsdaemon_tls_reload_success 1");
    watch.refuses("it expired on Monday");
    assertStringIncludes(await metrics.text(), "wsdaemon_tls_reload_success 0");
    const [refused, ofTheOld] = watch.problems();
    assertEquals([refused?.reason, refused?.part], ["CERTIFICATE_REFUSED", "cert"]);
    assertStringIncludes(refused!.message, "it expired on Monday");
    assertEquals(ofTheOld?.reason, "CERTIFICATE_NOT_YET_VALID");
    watch.uses({ cert, key });
    assertStringIncludes(await metrics.text(), "wsdaemon_tls_reload_success 1");
    assertEquals(watch.problems().map(({ reason }) => reason), ["CERTIFICATE_NOT_YET_VALID"]);
  },
);
