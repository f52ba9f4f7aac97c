import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { ServiceManager } from "../../src/process/service_manager.ts";
import { TestNode } from "../e2e/node.ts";
import { receiveDatagrams } from "../fixtures/datagrams.ts";
import { testFolder } from "../fixtures/folder.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { PYTHON } from "../fixtures/python.ts";
import { has } from "../fixtures/tools.ts";

openLibc(libcPath());
const note = has(PYTHON) ? "" : " (ignored: there is no python3)";

Deno.test({
  name: `systemd is told when the daemon serves, what it does, reloads and stops${note}`,
  ignore: note !== "",
  fn: async () => {
    using folder = testFolder();
    const address = join(folder.path, "notify");
    await using datagrams = await receiveDatagrams(address);
    await using node = await TestNode.start(folder.path, "node", {
      env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: "2000000" },
    });
    const first = await datagrams.next();
    assert(/^WATCHDOG=1\nEXTEND_TIMEOUT_USEC=\d+\nSTATUS=Starting/.test(first), first);
    assertEquals(await datagrams.nextWith("READY"), "READY=1");
    await datagrams.nextWith("STATUS=Ready; idle");
    await datagrams.nextWith("WATCHDOG=1");
    Deno.kill(node.daemon.pid, "SIGHUP");
    assertEquals(await datagrams.nextWith("RELOADING"), "RELOADING=1");
    assertEquals(await datagrams.nextWith("READY"), "READY=1");
    const stopped = node.stop();
    assertEquals(await datagrams.nextWith("STOPPING"), "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000");
    await stopped;
  },
});

Deno.test({
  name:
    `systemd is told at an abstract address, too, and not of a watchdog of another process${note}`,
  ignore: note !== "",
  fn: async () => {
    const address = `@wsdaemon-test-${crypto.randomUUID()}`;
    await using datagrams = await receiveDatagrams(address);
    const environment = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" };
    using manager = ServiceManager.of(environment, 2);
    manager.ready();
    assertEquals(await datagrams.next(), "READY=1");
    manager.alive("one\ntwo");
    assertEquals(await datagrams.next(), "STATUS=one two");
    // Nothing new.
    manager.alive("one\ntwo");
    manager.reloading();
    assertEquals(await datagrams.next(), "RELOADING=1");
    assertEquals(manager.interval, 10_000);
  },
});

Deno.test("a service manager that is not there, or goes away, stops nothing and is told of once", () => {
  using logs = captureLogs();
  using none = ServiceManager.of({}, 1);
  none.ready();
  none.stopping(1);
  assertEquals(none.interval, undefined);
  assertEquals(logs.text, "");
  using lost = ServiceManager.of({ NOTIFY_SOCKET: "/nonexistent/notify" }, 1);
  lost.ready();
  lost.reloading();
  assertEquals(logs.text.match(/Cannot tell the service manager/g)?.length, 1);
  using malformed = ServiceManager.of({ NOTIFY_SOCKET: "notify" }, 1);
  assertEquals(malformed.interval, undefined);
});
