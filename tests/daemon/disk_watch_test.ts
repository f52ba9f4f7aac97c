import { assertEquals, assertStringIncludes } from "@std/assert";
import { DiskWatch } from "../../src/daemon/disk_watch.ts";
import type { DiskSpace } from "../../src/disk_space.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

const LIMITS = { initPercent: 0, readyPercent: 0 };

const space = (path: string, free: number): DiskSpace => ({
  path,
  size: 100,
  free,
  inodes: 0,
  freeInodes: 0,
});

Deno.test("a file system that does not answer is asked once, however often somebody scrapes", async () => {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const asked: string[] = [];
  const hung = Promise.withResolvers<DiskSpace>();
  const watch = new DiskWatch({ root: "/root", store: "/store" }, LIMITS, clock, (path) => {
    asked.push(path);
    return path === "/store" ? hung.promise : Promise.resolve(space(path, asked.length));
  });
  watch.serve(metrics);
  for (let scrape = 0; scrape < 2; scrape++) {
    const text = metrics.text();
    await clock.wakeAll(4);
    assertStringIncludes(await text, 'wsdaemon_disk_size_bytes{area="root"} 100\n');
  }
  assertEquals(asked.filter((path) => path === "/store").length, 1);
  hung.resolve(space("/store", 7));
  assertStringIncludes(await metrics.text(), 'wsdaemon_disk_free_bytes{area="store"} 7\n');
  await watch.read();
  assertEquals(asked.at(-1), "/store");
});

Deno.test("the root's file system comes first, whichever answers first", async () => {
  const root = Promise.withResolvers<DiskSpace>();
  const areas = { root: "/root", store: "/store" };
  const watch = new DiskWatch(areas, LIMITS, new ManualClock(), (path) => {
    if (path === "/root") return root.promise;
    // Once everything has been done that this answer lets be done.
    setTimeout(() => root.resolve(space("/root", 1)));
    return Promise.resolve(space(path, 2));
  });
  assertEquals((await watch.read()).map(([area]) => area), ["root", "store"]);
});
