import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { findProgram } from "../../src/process/find_program.ts";
import { testFolder } from "../fixtures/folder.ts";

const UNIT = fromFileUrl(new URL("../../scripts/wsdaemon.service", import.meta.url));
const ANALYZE = findProgram("systemd-analyze", Deno.env.get("PATH") ?? "");

/** The unit, with a program that exists in place of the installed one. */
function verifiable(folder: string): string {
  const path = `${folder}/wsdaemon.service`;
  const text = Deno.readTextFileSync(UNIT).replaceAll("/usr/local/bin/wsdaemon", "/bin/true");
  Deno.writeTextFileSync(path, text);
  return path;
}

async function analyze(args: string[]): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(ANALYZE!, { args }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

const name = (what: string) => ANALYZE ? what : `${what} (ignored: no systemd-analyze here)`;

Deno.test({
  name: name("systemd unit is one that systemd has nothing to say against"),
  ignore: ANALYZE === undefined,
  fn: async () => {
    using folder = testFolder();
    const { code, output } = await analyze(["verify", "--man=no", verifiable(folder.path)]);
    assertEquals([code, output], [0, ""]);
  },
});

Deno.test({
  name: name("systemd unit is hardened: its exposure stays below 3 of 10"),
  ignore: ANALYZE === undefined,
  fn: async () => {
    using folder = testFolder();
    const { code, output } = await analyze([
      ...["security", "--offline=true", "--threshold=30", "--no-pager"],
      verifiable(folder.path),
    ]);
    assertEquals(code, 0, output);
  },
});
