import { assertEquals } from "@std/assert";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";

/** Runs `config schema`, which prints much, with its stdout as a shell redirects it. */
function printing(redirect: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", `exec "$@" ${redirect}`, "sh", ...FROM_SOURCE, "config", "schema"],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function outcome(child: Deno.ChildProcess) {
  const stderr = await new Response(child.stderr).text();
  return [(await child.status).code, stderr];
}

Deno.test("a command whose reader has had enough ends without a word", async () => {
  const child = printing("");
  await child.stdout.cancel();
  assertEquals(await outcome(child), [1, ""]);
});

Deno.test("a command that cannot write its output says so in one line", async () => {
  const child = printing(">/dev/full");
  await child.stdout.cancel();
  assertEquals(await outcome(child), [
    1,
    "error: Cannot write to stdout: no space left, or no inodes; see where it leads\n",
  ]);
});

Deno.test("a command whose stderr cannot be written does what it was asked to", async () => {
  const child = printing("2>/dev/full");
  await child.stderr.cancel();
  const text = await new Response(child.stdout).text();
  assertEquals([(await child.status).code, typeof JSON.parse(text)], [0, "object"]);
});
