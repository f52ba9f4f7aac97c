import { assertRejects, assertStringIncludes } from "@std/assert";
import { launch } from "../../src/process/launch.ts";
import { libcPath } from "../../src/process/libc.ts";
import { makeAreas, prepareRoot } from "../../src/process/root.ts";
import { StartError } from "../../src/errors.ts";
import { configOf, withFolder } from "./fixture.ts";

function launchOn(root: string, { libc = libcPath(), settings = {}, log = {} } = {}) {
  const metrics = { listen: "off" };
  const config = prepareRoot(configOf({ root, listen: ["127.0.0.1:0"], metrics, ...settings }));
  const { promise: listening, resolve } = Promise.withResolvers<string>();
  const launched = launch({
    // No config that was loaded has what the Worker would die of.
    config: { ...config, log: { ...config.log, ...log } },
    env: Deno.env.toObject(),
    areas: makeAreas(config),
    libc,
    git: { problem: "not needed here" },
    version: "test",
    droppedLines: new SharedArrayBuffer(4),
    onListening: resolve,
  });
  return { launched, listening };
}

Deno.test("launched daemon listens, and ends when it is asked to", async () => {
  await withFolder(async (folder) => {
    const { launched, listening } = launchOn(folder);
    using _ = launched;
    assertStringIncludes(await listening, "127.0.0.1:");
    launched.stop(0);
    await launched.ended;
  });
});

Deno.test("launched daemon ends in an orderly way when it is asked to before it listens", async () => {
  await withFolder(async (folder) => {
    using launched = launchOn(folder).launched;
    launched.stop(0);
    await launched.ended;
  });
});

Deno.test("launched daemon that cannot start says why", async () => {
  await withFolder(async (folder) => {
    using occupied = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const listen = [`127.0.0.1:${occupied.addr.port}`];
    using launched = launchOn(folder, { settings: { listen } }).launched;
    await assertRejects(() => launched.ended, StartError, listen[0]!);
  });
});

Deno.test("launched content Worker that cannot start says why", async () => {
  await withFolder(async (folder) => {
    const libc = `${folder}/libc.so.6`;
    using launched = launchOn(folder, { libc }).launched;
    await assertRejects(() => launched.ended, StartError, libc);
  });
});

Deno.test("launched Worker that dies is named with its reason", async () => {
  await withFolder(async (folder) => {
    using launched = launchOn(folder, { log: { level: "loud", format: "text" } }).launched;
    await assertRejects(() => launched.ended, Error, "The daemon Worker died: ");
  });
});
