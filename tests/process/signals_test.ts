import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";

const MAIN = fromFileUrl(new URL("./signals_main.ts", import.meta.url));

Deno.test("signals ask once, end at once a second time unless it is an echo, and SIGHUP reloads", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", MAIN],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(
    new TextLineStream(),
  ).getReader();
  const next = async () => (await lines.read()).value ?? "(the end)";

  assertEquals(await next(), "ready");
  child.kill("SIGHUP");
  assertEquals(await next(), "reload");
  child.kill("SIGINT");
  assertEquals([await next(), await next()], ["at 0", "stop SIGINT"]);
  child.kill("SIGINT");
  assertEquals(await next(), "at 499");
  child.kill("SIGTERM");
  assertEquals([await next(), await next()], ["at 500", "abort SIGTERM"]);
  assertEquals((await child.status).code, 0);
  await lines.cancel();
});
