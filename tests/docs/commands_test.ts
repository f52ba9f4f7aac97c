import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parse } from "jsonc-parser";
import config from "../../deno.json" with { type: "json" };
import { loadConfig } from "../../src/config/load_config.ts";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { inProcess } from "../cli/in_process.ts";
import { StoreFixture } from "../snapshot/fixture.ts";
import { file } from "../fixtures/tree.ts";
import { blocks, page, pages } from "./pages.ts";

/** A shell block's commands, without comments. */
function commands(text: string): string[] {
  return blocks(text, "sh").flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "");
}

Deno.test("every task that the documents run is there", async () => {
  const named = (await pages()).flatMap(({ path, text }) =>
    [...text.matchAll(/deno(?:@[\d.]+)? task (?:-q )?([a-z\d:]+)/g)].map(([, task]) => ({
      path,
      task,
    }))
  );
  const tasks = new Set(Object.keys(config.tasks));
  assertEquals(named.filter(({ task }) => !tasks.has(task!)), []);
  assert(named.length > 10);
});

Deno.test("every configuration that the documents show is valid", async () => {
  const texts = (await pages()).flatMap(({ text }) => blocks(text, "jsonc"));
  for (const text of texts) {
    const file = await Deno.makeTempFile({ suffix: ".jsonc" });
    try {
      await Deno.writeTextFile(file, text);
      assert(parse(text) !== undefined);
      loadConfig({
        file,
        env: {},
        flags: { values: {}, locate: () => "" },
        cwd: "/",
        uid: 0,
        gid: 0,
      });
    } finally {
      await Deno.remove(file);
    }
  }
  assert(texts.length >= 2);
});

Deno.test("the store commands of the operations page run as they are shown", async (t) => {
  const shown = commands(page("docs/operations.md").text)
    .filter((line) => line.startsWith("wsdaemon store "));
  assert(shown.length >= 8);
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["todo", file("remember the milk\n")]]);
  const { url: snapshot } = await fixture.snapshot("w");
  await fixture.backup("w");
  const target = join(fixture.root, "copied");
  await Deno.mkdir(target);
  const archive = join(fixture.root, "full.tar");
  await Deno.writeFile(archive, new Uint8Array(10240));
  for (const line of shown) {
    await t.step(line, async () => {
      const real = line.replace("wsdaemon:snapshot/…", snapshot)
        .replace("bucket.json", target)
        .replace("full.tar", archive)
        .replace("/tmp/image", join(fixture.root, "..", "image"));
      if (real.includes("|")) return await inShell(real, fixture.root);
      const [, ...args] = real.split(/\s+/);
      const { code, stderr } = await inProcess(...args, "--root", fixture.root);
      assertEquals(code, 0, stderr);
    });
  }
});

/** Runs a pipe in a shell in which `wsdaemon` is the one from source. */
async function inShell(line: string, root: string): Promise<void> {
  const program = FROM_SOURCE.map((word) => `'${word}'`).join(" ");
  const script = `set -eo pipefail; wsdaemon() { ${program} "$@" --root '${root}'; }; ${line}`;
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assert(stdout.length > 0);
}
