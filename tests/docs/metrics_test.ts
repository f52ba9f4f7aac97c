import { assert, assertEquals } from "@std/assert";
import { TestNode } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";
import { page } from "./pages.ts";

Deno.test("the operations page names every metric of a daemon, with its type, and no other", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node", {
    config: { metrics: { listen: "127.0.0.1:0" } },
  });
  const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(node.daemon.log)?.[1];
  assert(port !== undefined, node.daemon.log);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const served = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name, type]) => `${name} ${type}`);
  const section = page("docs/operations.md").text.split("\n## Metrics\n")[1]!.split("\n## ")[0]!;
  const shown = [...section.matchAll(/^\| `((?:process|wsdaemon)_\w+)(?:\{[^`]*\})?` *\| (\w+) /gm)]
    .map(([, name, type]) => `${name} ${type}`);
  assertEquals(shown.toSorted(), served.toSorted());
});
