import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TestNode } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";
import { page } from "./pages.ts";

const MONITORING = fromFileUrl(new URL("../../scripts/monitoring/", import.meta.url));

/** Names with a prefix of ours in queries, without what is added to a histogram's name. */
function metricsIn(text: string): string[] {
  const names = text.match(/\b(?:process|wsdaemon)_[a-z_]+/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, "")))];
}

Deno.test("what is said of metrics is what a daemon serves", async (t) => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node", {
    config: { metrics: { listen: "127.0.0.1:0" } },
  });
  const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(node.daemon.log)?.[1];
  assert(port !== undefined, node.daemon.log);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const served = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name, type]) => `${name} ${type}`);

  await t.step("the operations page names every metric, with its type, and no other", () => {
    const section = page("docs/operations.md").text.split("\n## Metrics\n")[1]!.split("\n## ")[0]!;
    const shown = [
      ...section.matchAll(/^\| `((?:process|wsdaemon)_\w+)(?:\{[^`]*\})?` *\| (\w+) /gm),
    ]
      .map(([, name, type]) => `${name} ${type}`);
    assertEquals(shown.toSorted(), served.toSorted());
  });

  await t.step("what the confined process uses is read of the kernel", () => {
    const valueOf = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    assert(valueOf("process_threads") > 1, text);
    const known = Deno.statSync(`/proc/${node.daemon.pid}/fd`).size > 0;
    assertEquals(valueOf("process_open_fds") > 10, known, "before Linux 6.2 there is no count");
  });

  await t.step("the operations page says what to do about every alert, and about no other", () => {
    const rules = Deno.readTextFileSync(`${MONITORING}wsdaemon.rules.yml`);
    const section = page("docs/operations.md").text.split("\n## At 3 a.m.\n")[1]!;
    const told = section.split("\n").flatMap((line) =>
      line.split(" | ")[0]!.match(/(?<=^\| |, )`Wsdaemon\w+`/g) ?? []
    );
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => `\`${name}\``);
    assertEquals(told.toSorted(), alerts.toSorted());
  });

  await t.step("every alert has a series that fires it", () => {
    const tested = metricsTests().match(/(?<=ALERTS{alertname=")\w+(?=",)|(?<=alertname: )\w+/g);
    const rules = Deno.readTextFileSync(`${MONITORING}wsdaemon.rules.yml`);
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    assertEquals(alerts.filter((name) => !tested?.includes(name!)), []);
  });

  await t.step("alerts and dashboard ask for metrics that are there", () => {
    const names = new Set(served.map((line) => line.split(" ")[0]));
    for (const file of ["wsdaemon.rules.yml", "dashboard.json"]) {
      const asked = metricsIn(Deno.readTextFileSync(MONITORING + file));
      assert(asked.length > 10, file);
      assertEquals(asked.filter((name) => !names.has(name)), [], file);
    }
    JSON.parse(Deno.readTextFileSync(`${MONITORING}dashboard.json`));
  });

  await t.step({
    name: "promtool finds metrics and alerts in order (needs promtool)",
    ignore: !has("promtool"),
    fn: async () => {
      assertEquals(await promtool(["check", "metrics"], text), "");
      await promtool(["check", "rules", "wsdaemon.rules.yml"]);
      await promtool(["test", "rules", "wsdaemon.rules.test.yml"]);
    },
  });
});

function metricsTests(): string {
  return Deno.readTextFileSync(`${MONITORING}wsdaemon.rules.test.yml`);
}

/** Runs promtool and returns what it says on stderr. @throws where it fails */
async function promtool(args: string[], input = ""): Promise<string> {
  const child = new Deno.Command("promtool", {
    args,
    cwd: MONITORING,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stderr);
  assert(success, `${new TextDecoder().decode(stdout)}${said}`);
  return said;
}
